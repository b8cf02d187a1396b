import type { PagePost, PageRollout, PageRuleset } from '@pipit/shared/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { PageClientOptions } from './api.ts'
import { decisionsStore } from './decisions-store.ts'
import { createFakePage } from './fake-page.ts'
import { createPageClient } from './page-client.ts'

const shop: PageRollout = {
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 100 },
  canary: 'canary',
  payloads: { canary: 'red' },
}
const rulesetOf = (changes: Partial<PageRollout> = {}): PageRuleset => ({
  version: 1,
  rollouts: { shop: { ...shop, ...changes }, search: shop },
})

function setup(ruleset: PageRuleset, options: Partial<PageClientOptions> = { bootstrap: ruleset }) {
  const fake = createFakePage()
  const exposed: string[] = []
  fake.script = ({ type }) =>
    type === 'hello' ? { type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 15_000 } : undefined
  fake.answer = (_, { body }) => {
    const { reports = [] } = JSON.parse(String(body)) as PagePost
    for (const { items } of reports) for (const item of Object.keys(items)) exposed.push(JSON.parse(item).rollout)
    return { status: 200, body: JSON.stringify(reports.map(({ seq }) => ({ type: 'ack', seq }))) }
  }
  const sdk = createPageClient(
    { url: 'https://pipit.test', key: 'web_k', rollout: 'shop', user: 'ada', ...options },
    fake.page,
  )
  let version = 1
  const patch = (rollout: string, changes: Partial<PageRollout>): void =>
    fake.socket.say({ type: 'patch', from: version, version: ++version, rollouts: { [rollout]: changes } })
  /** The page's clock and the store's run together. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1000) {
      await fake.clock.advance(1000)
      vi.advanceTimersByTime(1000)
    }
  }
  return { fake, sdk, store: decisionsStore(sdk), patch, pass, exposed }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

describe('decisions as React reads them', () => {
  it('are the same object until another is due, and what the server rendered where nothing changed', async () => {
    const { sdk, store, patch, pass } = setup(rulesetOf())
    expect(decisionsStore(sdk)).toBe(store)
    expect(store.get('')).toBe(store.initial(''))
    expect(store.initial('')).toBe(store.initial(''))
    let told = 0
    store.subscribe('', () => told++)
    await pass(2000)
    patch('search', { weight: 0 })
    sdk.refresh()
    const renewed = store.get('')
    expect(store.get('')).toBe(renewed)
    patch('shop', { phase: 'reverted', result: { variant: 'stable', reason: 'phase' } })
    expect(store.get('')).toMatchObject({ variant: 'stable', reason: 'phase' })
    expect(store.initial('')).toMatchObject({ variant: 'canary', version: 1 })
    // Once for the new version after `refresh`, once for the revert.
    expect(told).toBe(2)
  })

  it('change for all before anybody is told', async () => {
    const { sdk, store, patch, pass } = setup(rulesetOf({ weight: 0 }))
    const seen: string[] = []
    const look = () => seen.push(`${store.get('').variant} ${store.get('shop').variant}`)
    store.subscribe('', look)
    store.subscribe('shop', look)
    expect([store.get('').variant, store.get('shop').variant]).toEqual(['stable', 'stable'])
    await pass(1000)
    patch('shop', { weight: 100 })
    expect(store.get('').variant).toBe('stable')
    sdk.refresh()
    expect(seen.slice(-2)).toEqual(['canary canary', 'canary canary'])
    expect(seen).not.toContain('canary stable')
  })

  it('expose nobody to what is not shown, nor by what a server rendered', async () => {
    const { sdk, store, pass, exposed } = setup(rulesetOf())
    store.initial('search')
    const end = store.subscribe('shop', () => undefined)
    store.get('shop')
    await pass(5000)
    sdk.refresh()
    await pass(5000)
    expect(new Set(exposed)).toEqual(new Set(['shop']))
    end()
  })

  it('see a deadman within 5 s of its time, and its end', async () => {
    const { fake, store, pass } = setup(rulesetOf({ deadmanMs: 60_000 }))
    const told: string[] = []
    const end = store.subscribe('', () => told.push(store.get('').reason))
    await pass(2000)
    expect(store.get('').variant).toBe('canary')
    const { script, answer } = fake
    Object.assign(fake, { script: undefined, answer: undefined })
    fake.socket.lose()
    await pass(50_000)
    expect(told).toEqual([])
    await pass(15_000)
    expect(store.get('')).toMatchObject({ variant: 'stable', reason: 'deadman' })
    Object.assign(fake, { script, answer })
    await pass(60_000)
    expect(told).toEqual(['deadman', 'split'])
    end()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('are asked for anew by who comes after all had gone', async () => {
    const { store, patch, pass } = setup(rulesetOf())
    store.subscribe('', () => undefined)()
    await pass(1000)
    expect(store.get('').variant).toBe('canary')
    patch('shop', { phase: 'reverted', result: { variant: 'stable', reason: 'phase' } })
    const told: string[] = []
    store.subscribe('', () => told.push(store.get('').variant))
    expect([store.get('').variant, told]).toEqual(['stable', ['stable']])
  })
})
