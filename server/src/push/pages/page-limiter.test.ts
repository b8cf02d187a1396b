import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { hubOf, pageOf, rollout, seated, serveHub } from '../hub-fixture.ts'
import { defaultLimits } from '../limits.ts'
import { addressOf } from './address.ts'
import { createPageLimiter } from './page-limiter.ts'

const who = { keyId: 'k2', address: '192.0.2.1' }
const elsewhere = { keyId: 'k2', address: '192.0.2.2' }
const limiterOf = (limits: object, clock = createFakeClock()) =>
  createPageLimiter(clock, { ...defaultLimits, ...limits })

describe('the address that limits count', () => {
  it.each<[string | undefined, string | undefined, string | undefined]>([
    ['192.0.2.1', undefined, '192.0.2.1'],
    ['::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['127.0.0.1', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
    ['::1', '198.51.100.7', '198.51.100.7'],
    ['127.0.0.1', 'unknown', '127.0.0.1'],
    ['127.0.0.1', undefined, '127.0.0.1'],
    ['2001:db8:0:1:2:3:4:5', undefined, '2001:db8:0:1::/64'],
    ['2001:DB8::5', undefined, '2001:db8:0:0::/64'],
    ['fe80::1%eth0', undefined, 'fe80:0:0:0::/64'],
    [undefined, '198.51.100.7', undefined],
  ])('of a peer at %s that forwards for %s is %s', (remote, forwarded, address) => {
    expect(addressOf(remote, forwarded)).toBe(address)
  })
})

describe('the limits of pages', () => {
  it('let through what a minute may have, and name what is reached', async () => {
    const clock = createFakeClock()
    const limits = { pageHellosPerMinuteAndAddress: 2, pageHellosPerMinuteAndKey: 3 }
    const limiter = limiterOf(limits, clock)
    expect([1, 2, 3].map(() => limiter.take('hellos', who))).toEqual([
      undefined,
      undefined,
      'pageHellosPerMinuteAndAddress',
    ])
    expect(limiter.take('hellos', elsewhere)).toBeUndefined()
    expect(limiter.take('hellos', elsewhere)).toBe('pageHellosPerMinuteAndKey')
    expect(limiter.take('hellos', { keyId: 'another', address: '192.0.2.2' })).toBeUndefined()
    await clock.advance(30_000)
    expect(limiter.take('hellos', who)).toBeUndefined()
    expect(limiter.take('hellos', who)).toBeDefined()
  })

  it('count sockets by all, key and address, and give back what is closed', () => {
    const limiter = limiterOf({ pageSockets: 3, pageSocketsPerKey: 2, pageSocketsPerAddress: 1 })
    limiter.opened(who)
    expect(limiter.full(who)).toBe('pageSocketsPerAddress')
    limiter.opened(elsewhere)
    expect(limiter.full({ keyId: 'k2', address: '192.0.2.3' })).toBe('pageSocketsPerKey')
    limiter.opened({ keyId: 'k3', address: '192.0.2.3' })
    expect(limiter.full({ keyId: 'k4', address: '192.0.2.4' })).toBe('pageSockets')
    limiter.closed(who)
    expect(limiter.full(who)).toBeUndefined()
  })

  it('remember so many addresses and no more, and never one that is open as closed', async () => {
    const clock = createFakeClock()
    const limiter = limiterOf({ pageAccounts: 10, pageSocketsPerAddress: 1, pageSocketsPerKey: 1000 }, clock)
    limiter.opened(who)
    for (let i = 0; i < 1000; i++) limiter.take('hellos', { keyId: 'k2', address: `198.51.100.${i}` })
    expect(limiter.full(who)).toBe('pageSocketsPerAddress')
  })

  const open = { ...rollout, weight: 100, browser: true as const }
  const ruleset = { version: 1, environment: 'production', unitSalt: 'u', rollouts: { r: open }, cohorts: {} }
  const limited = (limit: string) => ({
    type: 'error',
    code: 'limit',
    retry: true,
    message: expect.stringContaining(limit),
  })

  it('refuse messages of a page that are too many, and close it when it goes on', async () => {
    const { hub } = hubOf({ ruleset, limits: { pageHellosPerMinuteAndAddress: 2 } })
    const page = await pageOf(hub, 'page-0001', { user: { id: 'ada' } }, { address: '192.0.2.1' })
    expect(await page.greets({})).toMatchObject([{ type: 'ruleset' }])
    expect(await page.greets({})).toMatchObject([limited('pageHellosPerMinuteAndAddress')])
    for (let i = 0; i < 30; i++) await page.greets({})
    expect(page.closes).toMatchObject([{ code: 4400 }])
    expect(hub.counters().page_limited).toBe(20)
  })

  it.each<[object, string]>([
    [{ pageHellosPerMinuteAndKey: 0 }, 'pageHellosPerMinuteAndKey'],
    [{ pageBytesPerMinuteAndKey: 300 }, 'pageBytesPerMinuteAndKey'],
    [{ pageHeldBytes: 10 }, 'pageHeldBytes'],
  ])('refuse the greeting of a page: %j', async (limits, limit) => {
    const { hub } = hubOf({ ruleset, limits })
    await pageOf(hub, 'page-0001', {}, { address: '192.0.2.1' })
    const page = await pageOf(hub, 'page-0002', {}, { address: '192.0.2.1' })
    expect(page.first).toMatchObject(limited(limit))
  })

  it('give back the memory of pages that leave', async () => {
    const { hub } = hubOf({ ruleset, limits: { pageHeldBytes: 200 } })
    const user = { user: { id: 'ada', note: 'x'.repeat(40) } }
    for (let i = 0; i < 5; i++) {
      const page = await pageOf(hub, `page-000${i}`, user)
      expect(page.first).toMatchObject({ type: 'ruleset' })
      expect(await page.greets(user)).toMatchObject([{ type: 'ruleset' }])
      page.leave()
      page.leave()
    }
  })

  it('refuse a page what is too large', async () => {
    const { hub } = hubOf({ ruleset })
    const page = await pageOf(hub, 'page-0001', { user: { id: 'ada' } })
    const large = { type: 'ping', padding: 'x'.repeat(300_000) }
    expect(await page.says(large)).toMatchObject([{ message: expect.stringContaining('pageMessageBytes') }])
    expect(await page.says({ type: 'ping' })).toEqual([{ type: 'pong' }])
  })

  it('keep seats for servers, and hold no server to what holds for pages', async () => {
    const { hub } = hubOf({ ruleset, limits: { pageSockets: 1, pageMessageBytes: 10, pageReportsPerMinuteAndKey: 0 } })
    hub.join(
      { send: () => undefined, close: () => undefined, terminate: () => undefined, bufferedBytes: 0 },
      { environment: 'production', keyId: 'k2', kind: 'web' },
    )
    await expect(pageOf(hub, 'page-0002')).rejects.toThrow('no seat')
    const server = await seated(hub, 'server-0001')
    server.session.receive('{"type":"report","seq":1}')
    await expect.poll(() => server.messages().at(-1)).toEqual({ type: 'ack', seq: 1 })
  })

  it('refuse a socket before it is opened', async () => {
    const served = await serveHub({ limits: { pageSocketsPerAddress: 1 } })
    const first = served.connect({ key: 'web_good' })
    await first.opened
    expect(await served.connect({ key: 'web_good' }).refused).toBe(429)
    await served.connect().opened
    first.socket.close()
    await first.closed
    await expect.poll(() => served.connect({ key: 'web_good' }).opened.then(() => true)).toBe(true)
    await served.stop()
  })
})
