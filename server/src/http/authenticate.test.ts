import { describe, expect, it } from 'vitest'
import type { KeyRecord } from '../storage/ports.ts'
import { bearer, mayAct } from './access.ts'
import { createAuthenticate, hashKey } from './authenticate.ts'

function setup(more: Partial<KeyRecord> = {}) {
  const record: KeyRecord = {
    ...{
      id: 'k1',
      kind: 'adm',
      role: 'admin',
      name: 'me',
      hash: hashKey('adm_secret'),
      hint: 'adm_secr',
      createdAt: 0,
    },
    ...more,
  }
  const time = { now: 1_000_000, touched: 0, fails: false }
  const authenticate = createAuthenticate(
    {
      keys: {
        findByHash: (hash) => Promise.resolve(hash === hashKey('adm_secret') ? record : undefined),
        touch: () => (time.fails ? Promise.reject(new Error('read only')) : Promise.resolve(void time.touched++)),
        insert: () => Promise.resolve(),
        list: () => Promise.resolve([record]),
        revoke: () => Promise.resolve(true),
      },
    },
    { now: () => time.now },
  )
  return { authenticate, time, record }
}

describe('a key', () => {
  it('is found by its hash, and nothing else is', async () => {
    const { authenticate, record } = setup()
    expect(await authenticate('adm_secret')).toBe(record)
    expect(await authenticate('adm_secreT')).toBeUndefined()
    expect(await authenticate('')).toBeUndefined()
    expect(await authenticate('x'.repeat(1_000_000))).toBeUndefined()
  })

  it('that was revoked is none', async () => {
    expect(await setup({ revokedAt: 1 }).authenticate('adm_secret')).toBeUndefined()
  })

  it('whose stored hash is another than the one it was found by is none', async () => {
    expect(await setup({ hash: hashKey('other') }).authenticate('adm_secret')).toBeUndefined()
    expect(await setup({ hash: '' }).authenticate('adm_secret')).toBeUndefined()
  })

  it('is noted as used at most once a minute, and works where that cannot be noted', async () => {
    const { authenticate, time } = setup()
    await authenticate('adm_secret')
    await authenticate('adm_secret')
    expect(time.touched).toBe(1)
    time.now += 60_000
    await authenticate('adm_secret')
    expect(time.touched).toBe(2)
    time.now += 60_000
    time.fails = true
    expect(await authenticate('adm_secret')).toBeDefined()
  })
})

describe('roles', () => {
  it.each([
    ['viewer', 'viewer', true],
    ['viewer', 'operator', false],
    ['operator', 'editor', false],
    ['editor', 'operator', true],
    ['admin', 'admin', true],
    [undefined, 'viewer', false],
  ] as const)('%s may do what asks for %s: %s', (role, needed, allowed) => {
    expect(mayAct(role, needed)).toBe(allowed)
  })
})

describe('a bearer token', () => {
  it.each([
    ['Bearer adm_x', 'adm_x'],
    ['bearer  adm_x ', 'adm_x'],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    ['Basic adm_x', undefined],
    [undefined, undefined],
  ])('of %j is %j', (header, token) => {
    expect(bearer(header)).toBe(token)
  })
})
