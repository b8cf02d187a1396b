import { createFakeClock } from '@pipit/shared/testing'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import { createEngine, createMemberLists } from './engine/index.ts'
import { firstStart, firstStartText } from './first-start.ts'
import { hashKey } from './http/index.ts'
import { openSqlite } from './storage/sqlite/index.ts'

function setup() {
  const storage = openSqlite({ file: ':memory:' })
  const publisher = {
    publish: () => Promise.resolve(),
    disconnect: () => undefined,
    greetPagesAgain: () => undefined,
    breakers: () => ({ open: 0, instances: 0 }),
  }
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const clock = createFakeClock(1_000_000)
  const notifier = { notify: () => Promise.resolve() }
  const memberLists = createMemberLists({ storage })
  const engine = createEngine({ storage, memberLists, publisher, notifier, clock, newId: nanoid, log: quiet })
  const valid = async () =>
    (await storage.keys.list()).filter((key) => key.revokedAt === undefined).map((key) => key.kind)
  return { storage, engine, valid }
}

describe('the first start', () => {
  it('makes an environment with a server and a web key, and an admin token', async () => {
    const { storage, engine, valid } = setup()
    const { made } = await firstStart(storage, engine, {}, hashKey)
    expect(made.map(({ what }) => what)).toEqual(['server key', 'web key', 'admin token'])
    expect(await storage.environments.get('production')).toBeDefined()
    expect((await valid()).sort()).toEqual(['adm', 'srv', 'web'])
    const text = firstStartText('http://127.0.0.1:4400', made)
    for (const { secret } of made) expect(text).toContain(secret)
  })

  it('is followed by starts that make nothing', async () => {
    const { storage, engine } = setup()
    await firstStart(storage, engine, {}, hashKey)
    expect(await firstStart(storage, engine, {}, hashKey)).toEqual({ made: [], unknownPresets: [] })
  })

  it('takes what was given beforehand and does not print it', async () => {
    const { storage, engine } = setup()
    const presets = { adminToken: 'adm_given_0123456789', serverKey: 'srv_given_0123456789' }
    const { made } = await firstStart(storage, engine, presets, hashKey)
    expect(made.map(({ what }) => what)).toEqual(['web key'])
    expect(await storage.keys.findByHash(hashKey(presets.adminToken))).toMatchObject({ kind: 'adm', role: 'admin' })
    expect(await storage.keys.findByHash(hashKey(presets.serverKey))).toMatchObject({ environment: 'production' })
  })

  it('names what was given too late', async () => {
    const { storage, engine } = setup()
    await firstStart(storage, engine, {}, hashKey)
    const { unknownPresets } = await firstStart(storage, engine, { webKey: 'web_late_0123456789' }, hashKey)
    expect(unknownPresets).toEqual(['PIPIT_WEB_KEY'])
  })

  it.each([1, 2, 3])(
    'that ends after %i of its steps is completed by the next, with keys that somebody has seen',
    async (steps) => {
      const { storage, engine, valid } = setup()
      let left = steps
      const step = <A extends unknown[], R>(run: (...args: A) => Promise<R>) => {
        return async (...args: A): Promise<R> => {
          if (left-- === 0) throw new Error('killed')
          return await run(...args)
        }
      }
      const dying = { createEnvironment: step(engine.createEnvironment), createKey: step(engine.createKey) }
      await expect(firstStart(storage, dying, {}, hashKey)).rejects.toThrow('killed')
      const { made } = await firstStart(storage, engine, {}, hashKey)
      expect(made).toHaveLength(3)
      expect((await valid()).sort()).toEqual(['adm', 'srv', 'web'])
    },
  )
})
