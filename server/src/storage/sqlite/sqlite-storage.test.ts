import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { describeStorage } from '../contract.ts'
import { openSqlite } from './sqlite-storage.ts'

const folders: string[] = []
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'pipit-sqlite-'))
  folders.push(made)
  return made
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
})

describeStorage('a SQLite file', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-sqlite-'))
  const file = join(directory, 'pipit.db')
  const storage = openSqlite({ file })
  return {
    storage,
    reopen: async () => {
      await storage.close()
      return openSqlite({ file })
    },
    cleanUp: async () => rmSync(directory, { recursive: true, force: true }),
  }
})

describeStorage('SQLite in memory', async () => ({
  storage: openSqlite({ file: ':memory:' }),
  cleanUp: async () => undefined,
}))

describe('a SQLite file', () => {
  it('that cannot be used says why and what to do', () => {
    const directory = folder()
    const text = join(directory, 'notes.txt')
    writeFileSync(text, 'these are my notes, not a database. '.repeat(200))
    expect(() => openSqlite({ file: text })).toThrow(/no SQLite database, or is damaged/)
    expect(() => openSqlite({ file: join(directory, 'missing', 'pipit.db') })).toThrow(/its folder does not exist/)
  })

  it('of a newer version is left alone', async () => {
    const file = join(folder(), 'pipit.db')
    await openSqlite({ file }).close()
    const raw = new Database(file)
    raw.prepare("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 99999999999999)").run()
    raw.close()
    expect(() => openSqlite({ file })).toThrow(/written by a newer version of Pipit/)
  })

  it('is opened again and again without a change', async () => {
    const file = join(folder(), 'pipit.db')
    for (let i = 0; i < 3; i++) {
      const storage = openSqlite({ file })
      await storage.check()
      await storage.close()
    }
  })
})
