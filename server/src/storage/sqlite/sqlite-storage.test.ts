import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { describeStorage } from '../contract.ts'
import type { Storage } from '../ports.ts'
import { openConnection, openReader } from './database.ts'
import { openSqlite, storageOn } from './sqlite-storage.ts'

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
  it('goes on with what an older version wrote', async () => {
    const file = join(folder(), 'older.db')
    const raw = new Database(file)
    const first = new URL('./migrations/0000_start.sql', import.meta.url)
    for (const statement of readFileSync(first, 'utf8').split('--> statement-breakpoint')) raw.exec(statement)
    raw.exec('CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)')
    raw.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run('start', 1795219006141)
    const metric = { key: 'purchase', kind: 'conversion', event: 'purchase', windowMs: 1000 }
    const definition = JSON.stringify({ key: 'checkout', guards: [], metrics: [metric] })
    const row = ['r1', 'production', 'checkout', definition, '{"phase":"draft"}', 1, 0, 1, 1]
    raw
      .prepare(
        'INSERT INTO rollouts (id, environment, key, definition, state, version, run_epoch, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(...row)
    raw
      .prepare(
        'INSERT INTO catalog (kind, environment, key, definition, version, updated_at) VALUES (?, ?, ?, ?, 1, 1)',
      )
      .run('metric', 'production', 'signup', JSON.stringify({ ...metric, key: 'signup' }))
    const insert = raw.prepare(
      "INSERT INTO catalog (kind, environment, key, definition, version, updated_at) VALUES ('cohort', 'production', ?, ?, 1, 1)",
    )
    insert.run('beta', JSON.stringify({ key: 'beta', members: ['b', 'a', 'ü', 'a'] }))
    raw.prepare("INSERT INTO reports (instance, seq, at) VALUES ('production/a', 7, 1000)").run()
    insert.run('staff', JSON.stringify({ key: 'staff', when: { team: 'x' } }))
    raw.close()

    const storage = openSqlite({ file })
    const rollout = await storage.rollouts.get('production', 'checkout')
    expect(rollout?.definition).toMatchObject({
      slices: [],
      checks: { sampleRatio: 'pause', noData: 'hold' },
      metrics: [{ ...metric, better: 'higher' }],
    })
    expect((await storage.metrics.get('production', 'signup'))?.definition.better).toBe('higher')
    // What lay below the highest was taken then, in order, for a week.
    expect(await storage.reports.take('production/a', 6, 1)).toBe('duplicate')
    expect(await storage.reports.take('production/a', 7, 1)).toBe('duplicate')
    expect(await storage.reports.prune(604_800_999, 1)).toBe(0)
    expect(await storage.reports.take('production/a', 8, 1)).toBe('new')
    const cohorts = (await storage.cohorts.list('production')).map(({ definition }) => definition)
    expect(cohorts).toEqual([
      { key: 'beta', members: { count: 3, revision: 'first' } },
      { key: 'staff', when: { team: 'x' } },
    ])
    expect(await storage.members.page('production', 'beta', { limit: 10 })).toEqual(['a', 'b', 'ü'])
    await storage.close()
  })

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

  it('of another program is left as it is', () => {
    const file = join(folder(), 'orders.db')
    const raw = new Database(file)
    raw.exec('CREATE TABLE orders (id INTEGER)')
    expect(() => openSqlite({ file })).toThrow(/belongs to another program/)
    expect(raw.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'orders' }])
    expect(raw.pragma('journal_mode', { simple: true })).toBe('delete')
    raw.close()
  })
})

describe('a full disk', () => {
  /** A store whose file may not grow; `makeRoom` lifts that. */
  function onFullDisk(): { readonly storage: Storage; readonly makeRoom: () => void } {
    const file = join(folder(), 'pipit.db')
    const writer = openConnection(file)
    const pages = writer.raw.pragma('page_count', { simple: true }) as number
    writer.raw.pragma(`max_page_count = ${pages + 3}`)
    return {
      storage: storageOn(file, writer, openReader(file)),
      makeRoom: () => {
        writer.raw.pragma('max_page_count = 1000000')
      },
    }
  }
  const event = (n: number) => ({
    environment: 'production',
    event: 'purchase',
    unit: n.toString(16).padStart(16, '0'),
    at: 1,
    expiresAt: 100,
  })
  const fill = (storage: Storage): Promise<void> =>
    storage.transaction(async (stores) => {
      await stores.reports.take('instance-a', 7, 1)
      for (let n = 0; n < 2000; n++) await stores.evidence.addPending(event(n))
    })

  it('rejects the transaction, says so, and applies nothing of it', async () => {
    const { storage } = onFullDisk()
    await expect(fill(storage)).rejects.toMatchObject({
      name: 'StorageError',
      code: 'disk-full',
      message: expect.stringContaining('make room'),
    })
    expect(await storage.evidence.hasPending('production')).toBe(false)
    expect(await storage.reports.prune(1, 1)).toBe(0)
    await storage.close()
  })

  it('leaves reading possible, and writing again once there is room', async () => {
    const { storage, makeRoom } = onFullDisk()
    await expect(fill(storage)).rejects.toMatchObject({ code: 'disk-full' })
    expect(await storage.environments.list()).toEqual([])
    makeRoom()
    await fill(storage)
    expect(await storage.reports.take('instance-a', 7, 1)).toBe('duplicate')
    expect(await storage.evidence.takePending('production', event(1999).unit)).toHaveLength(1)
    await storage.close()
  })
})
