import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { init, integrations } from '@launchdarkly/node-server-sdk'
import type { Peer } from '../peer.ts'

const clause = (attribute: string, values: string[]) => ({
  contextKind: 'user',
  attribute,
  op: 'in',
  values,
  negate: false,
})

const flag = (key: string) => ({
  key,
  version: 1,
  on: true,
  salt: key,
  variations: ['stable', 'canary'],
  offVariation: 0,
  targets: [],
  prerequisites: [],
  rules: [
    { id: 'insiders', clauses: [clause('plan', ['beta', 'internal'])], variation: 1 },
    { id: 'dutch', clauses: [clause('country', ['NL'])], variation: 1 },
  ],
  fallthrough: {
    rollout: {
      contextKind: 'user',
      variations: [
        { variation: 1, weight: 10_000 },
        { variation: 0, weight: 90_000 },
      ],
    },
  },
})

const quiet = { debug() {}, info() {}, warn() {}, error: console.error }

export const launchdarkly: Peer = {
  package: '@launchdarkly/node-server-sdk',
  call: 'await variation',
  setUp: 'FileDataSource, sendEvents false, diagnostics off',
  bar: 15,
  awaited: true,
  async prepare(keys, users) {
    const folder = mkdtempSync(join(tmpdir(), 'pipit-bench-'))
    const path = join(folder, 'flags.json')
    writeFileSync(path, JSON.stringify({ flags: Object.fromEntries(keys.map((key) => [key, flag(key)])) }))
    const source = new integrations.FileDataSourceFactory({ paths: [path] })
    const client = init('sdk-bench', {
      updateProcessor: source.getFactory(),
      sendEvents: false,
      diagnosticOptOut: true,
      logger: quiet,
    })
    await client.waitForInitialization({ timeout: 10 })
    const contexts = users.map(({ id, plan, country }) => ({ kind: 'user', key: id, plan, country }))
    return {
      ask: (key, at) => client.variation(key, contexts[at] as never, 'stable'),
      canary: 'canary',
      close() {
        client.close()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
}
