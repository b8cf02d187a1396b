import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

/** A forbidden import of each wall: where it is written, and what. */
const forbidden: readonly (readonly [string, string])[] = [
  ['shared/src/base', "import 'ws'"],
  ['shared/src/hash', "import { readFileSync } from 'node:fs'"],
  ['shared/src/base', "import { murmur3 } from '../hash/index.ts'"],
  ['shared/src/rules', "import { decide } from '../decide/index.ts'"],
  ['shared/src/decide', "import { encodeMessage } from '../protocol/index.ts'"],
  ['shared/src/protocol', "import { decide } from '../decide/index.ts'"],
  ['shared/src/counting', "import { createClientCore } from '../client/index.ts'"],
  ['shared/src/protocol', "import { stratumOf } from '../counting/index.ts'"],
  ['shared/src/client', "import { createFakeClock } from '../testing/index.ts'"],
  ['server/src/rollout', "import { openSqlite } from '../storage/sqlite/index.ts'"],
  ['server/src/analysis', "import { readFileSync } from 'node:fs'"],
  ['server/src/analysis', "import { Hono } from 'hono'"],
  ['server/src/storage', "import Database from 'better-sqlite3'"],
  ['server/src/storage/sqlite', "import { createHub } from '../../push/index.ts'"],
  ['server/src/engine', "import { openSqlite } from '../storage/sqlite/index.ts'"],
  ['server/src/ingest', "import { drizzle } from 'drizzle-orm/better-sqlite3'"],
  ['server/src/push', "import { Hono } from 'hono'"],
  ['server/src/http', "import { sql } from 'drizzle-orm'"],
  ['server/src/cli', "import { createEngine } from '../engine/index.ts'"],
  ['server/src/http', "import { createClientCore } from '@pipit/shared/client'"],
  ['server/src/engine', "import { createClient } from '@pipit/sdk-node'"],
  ['server/src/engine', "import { createFakeClock } from '@pipit/shared/testing'"],
  ['sdk-node/src', "import { createEngine } from '@pipit/server/engine'"],
  ['sdk-node/src', "import { decide } from '@pipit/shared/decide'"],
  ['sdk-browser/src', "import { compilePath } from '@pipit/shared/rules'"],
  ['sdk-browser/src', "import { createClient } from '@pipit/sdk-node'"],
]

let written: string | undefined
afterEach(() => {
  if (written !== undefined) rmSync(written, { force: true })
  written = undefined
})

function write(folder: string, content: string): string {
  written = join(root, folder, 'forbidden-import.ts')
  if (existsSync(written)) throw new Error(`${written} is there already`)
  writeFileSync(written, `${content}\n`)
  return written
}

describe('the walls between the parts', () => {
  it.each(forbidden)('refuse in %s: %s', (folder, statement) => {
    const file = write(folder, statement)
    const checked = spawnSync(bin('biome'), ['lint', '--max-diagnostics=none', file], { cwd: root, encoding: 'utf8' })
    expect(checked.status).not.toBe(0)
    expect(checked.stdout + checked.stderr).toMatch(/noRestrictedImports/)
  })

  it.each([
    ['shared/src/rules', 'export const at: number = Date.now()'],
    ['server/src/engine', 'export const draw: number = Math.random()'],
    ['server/src/analysis', 'export const today: Date = new Date()'],
  ])('refuse ambient time and randomness in %s: %s', (folder, statement) => {
    const file = write(folder, statement)
    const checked = spawnSync(bin('biome'), ['lint', file], { cwd: root, encoding: 'utf8' })
    expect(checked.status).not.toBe(0)
    expect(checked.stdout + checked.stderr).toMatch(/Time and randomness arrive as values/)
  })

  it.each([
    'setTimeout(() => undefined, 1)',
    'export const text: string = String(process.pid)',
    'export const page: unknown = window.document',
    "export const answer: unknown = fetch('http://127.0.0.1')",
  ])('give shared no platform: %s', (statement) => {
    const file = write('shared/src/base', statement)
    const checked = spawnSync(
      bin('tsc'),
      ['-p', join(root, 'shared'), '--noEmit', '--composite', 'false', '--emitDeclarationOnly', 'false'],
      { cwd: root, encoding: 'utf8' },
    )
    expect(checked.status).not.toBe(0)
    expect(checked.stdout).toContain('forbidden-import.ts')
    expect(file).toContain('shared/src/base')
  })
})
