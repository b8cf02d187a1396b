/**
 * What an application reports arrives in the judge's evidence as it was: kinds of failures, slices, what users spend, figures from outside; and
 * what the judge decides on it can be taken again. A real server process, a real SDK, the command line.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@pipit/sdk-node'
import { runCli } from '@pipit/server/cli'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

const file = {
  key: 'shop',
  stages: [
    { name: 'half', weight: 50, hold: '2s', maxHold: '1m' },
    { name: 'full', weight: 100 },
  ],
  metrics: [
    { key: 'revenue', kind: 'sum', event: 'bought', cap: 100 },
    { key: 'queue-depth', kind: 'external', better: 'lower' },
  ],
  guards: [
    { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
    { metric: 'error_rate_5xx', never: { above: 0.2 }, action: 'revert' },
    { metric: 'revenue', worseThan: { relative: 0.9 }, action: 'alert' },
    { metric: 'queue-depth', worseThan: { relative: 1.2 }, action: 'alert' },
  ],
  slices: ['country', 'sdk'],
  analysis: { tick: '200ms', warmup: '0s' },
}

let server: TestServer
let sdk: Client
let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pipit-evidence-'))
  server = await startServer()
  await server.api('POST', '/rollouts', file)
  await server.api('POST', '/rollouts/shop/start', {})
  sdk = createClient({ url: server.url, key: server.serverKey, rollout: 'shop' })
  await sdk.ready()
})
afterAll(async () => {
  await sdk.close()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Total {
  readonly variant: string
  readonly n: number
  readonly failed: number
}
interface Metric {
  readonly metric: string
  readonly sentence: string
  readonly canary: { readonly n: number; readonly x: number }
  readonly limit?: { readonly canary: { readonly n: number; readonly x: number } }
  readonly slices?: readonly { readonly attribute: string; readonly value: string; readonly canary: { n: number } }[]
}
interface Analysis {
  readonly totals: readonly Total[]
  readonly judgement?: { readonly metrics: readonly Metric[] }
  readonly score?: { readonly metrics: readonly object[] }
  readonly classic?: { readonly note: string; readonly proportions: readonly object[] }
}

/** Asks until the answer is as wanted; the test's own limit of time ends it. */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const analysis = async (): Promise<Analysis> => (await server.api('GET', '/rollouts/shop/analysis')).body as Analysis

async function pipit(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(args, {
    env: { PIPIT_URL: server.url, PIPIT_TOKEN: server.token },
    serve: () => Promise.reject(new Error('not in this test')),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    version: '1.2.3',
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

/** Four hundred users: a tenth fails, a quarter is in New Zealand, every second spends more than the cap. Returns what the canary's did. */
function useTheShop(): { n: number; failed: number; spent: number; country: number } {
  const mine = { n: 0, failed: 0, spent: 0, country: 0 }
  for (let i = 0; i < 400; i++) {
    const user = { id: `user-${i}`, country: i % 4 === 0 ? 'NZ' : 'DE' }
    const decision = sdk.decide(user)
    const failed = i % 10 === 0
    sdk.outcome(decision, failed ? { ok: false, kind: '5xx', latencyMs: 5 } : { ok: true, latencyMs: 5 })
    sdk.track(user, 'bought', { value: i % 2 === 0 ? 30 : 250 })
    if (decision.variant !== 'canary') continue
    mine.n++
    mine.failed += Number(failed)
    mine.spent += i % 2 === 0 ? 30 : 100
    mine.country += Number(user.country === 'NZ')
  }
  return mine
}

describe('evidence, from the application to a decision that can be taken again', () => {
  it('counts kinds, slices and values exactly', async () => {
    const mine = useTheShop()
    expect(await sdk.flush()).toBe(true)
    await server.api('POST', '/rollouts/shop/observations', {
      observations: [
        { metric: 'queue-depth', variant: 'canary', value: 12 },
        { metric: 'queue-depth', variant: 'stable', value: 10 },
      ],
    })
    const wanted = ({ judgement }: Analysis): boolean =>
      judgement?.metrics.find(({ metric }) => metric === 'revenue')?.canary.n === mine.n &&
      judgement.metrics.find(({ metric }) => metric === 'error_rate')?.canary.n === mine.n &&
      (judgement.metrics.find(({ metric }) => metric === 'queue-depth')?.canary.n ?? 0) > 0
    const found = await until(analysis, wanted)
    const metric = (key: string): Metric | undefined => found.judgement?.metrics.find((entry) => entry.metric === key)
    expect(metric('error_rate')?.canary).toMatchObject({ n: mine.n, x: mine.failed })
    expect(metric('error_rate_5xx')?.limit?.canary).toMatchObject({ n: mine.n, x: mine.failed })
    expect(metric('revenue')?.canary.x).toBeCloseTo(mine.spent, 6)
    expect(metric('queue-depth')?.canary).toMatchObject({ n: 1, x: 12 })
    const slices = metric('error_rate')?.slices ?? []
    expect(slices.find(({ value }) => value === 'NZ')?.canary.n).toBe(mine.country)
    expect(slices.find(({ attribute }) => attribute === 'sdk')).toMatchObject({ canary: { n: mine.n } })
    expect(found.classic?.note).toBe('fixed horizon: for reading, not for deciding')
    expect(found.score?.metrics).toHaveLength(4)
  })

  it('refuses a figure of a metric that is none, with its path', async () => {
    const observations = [{ metric: 'queue', variant: 'canary', value: 1 }]
    const answer = await server.api('POST', '/rollouts/shop/observations', { observations })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ errors: [{ path: 'observations[0].metric' }] })
    const infinite = { observations: [{ metric: 'queue-depth', variant: 'canary', value: 1e300 }] }
    expect((await server.api('POST', '/rollouts/shop/observations', infinite)).status).toBe(422)
  })

  it('takes the decision on it again, here and from a file', async () => {
    const ended = ({ phase }: { phase: string }): boolean => phase !== 'running'
    const state = async () => (await server.api('GET', '/rollouts/shop')).body as { phase: string }
    // A canary that fails whenever it is used.
    for (let i = 0; i < 300; i++) {
      const decision = sdk.decide({ id: `other-${i}`, country: 'DE' })
      sdk.outcome(decision, { ok: decision.variant !== 'canary', latencyMs: 5 })
    }
    await sdk.flush()
    await until(state, ended)
    const replayed = await pipit('replay', 'shop')
    expect(replayed.err).toBe('')
    expect(replayed.code).toBe(0)
    expect(replayed.out).toContain('identical, by pipit-2')
    const id = /decision (\S+)/.exec(replayed.out)?.[1] ?? ''
    const exported = join(directory, 'decision.json')
    expect(await pipit('replay', 'shop', '--decision', id, '--export', exported)).toMatchObject({ code: 0 })
    expect((await pipit('replay', '--file', exported)).out).toContain('identical')
    expect(await pipit('replay', 'shop', '--decision', 'nothing')).toMatchObject({
      code: 1,
      err: 'pipit: shop has no decision "nothing"',
    })
    const missing = await server.api('GET', '/rollouts/shop/decisions/nothing/replay')
    expect(missing.status).toBe(404)
    expect((await pipit('status', 'shop')).out).toContain('error_rate')
  })
})
