import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { createIngest } from '../ingest/index.ts'
import { queryPrometheus } from '../platform/index.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { live, rolloutOf, startBench, startRollout, well } from './bench.ts'
import { createQueries } from './queries.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Something that answers as a Prometheus does; `answers` maps an expression to a body. */
async function prometheus(answers: { [expression: string]: unknown }) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const expression = new URL(request.url ?? '/', 'http://x').searchParams.get('query') ?? ''
    asked.push(expression)
    response.end(JSON.stringify(answers[expression] ?? { status: 'error', error: 'parse error' }))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, answers }
}

const vector = (...values: string[]) => ({
  status: 'success',
  data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [0, value] })) },
})

async function setup(prometheusUrl: string) {
  const clock = createFakeClock(1_700_000_000_000)
  const storage = openSqlite({ file: ':memory:' })
  const bench = await startBench({ clock, storage, random: seededRandom(2) })
  const ingest = createIngest({ storage, clock })
  const warnings: string[] = []
  const log = { warn: (message: string) => void warnings.push(message), error: () => undefined }
  const queries = createQueries({ storage, clock, log, ask: queryPrometheus, observe: ingest.observe })
  const query = { prometheus: prometheusUrl, canary: 'depth{arm="canary"}', stable: 'depth{arm="stable"}', every: '2s' }
  await startRollout(bench, {
    metrics: [{ key: 'depth', kind: 'external', better: 'lower', query }],
    guards: [{ metric: 'depth', worseThan: { relative: 1.1 }, action: 'revert' }],
  })
  queries.start()
  closers.push(() => queries.stop())
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await live(bench, 1, { canary: well, stable: well })
      await queries.idle()
    }
  }
  return { bench, storage, queries, warnings, pass }
}

describe('queries of external metrics', () => {
  it('are asked while the rollout runs, as often as they say, and take back a canary that is worse', async () => {
    const source = await prometheus({
      'depth{arm="canary"}': vector('120'),
      'depth{arm="stable"}': { status: 'success', data: { resultType: 'scalar', result: [0, '80'] } },
    })
    const { bench, pass } = await setup(source.url)
    await pass(6)
    expect(source.asked.length).toBeGreaterThanOrEqual(4)
    expect(source.asked.length).toBeLessThanOrEqual(10)
    await pass(40)
    const { state } = await rolloutOf(bench)
    expect(state).toMatchObject({ phase: 'reverted', why: expect.stringContaining('Depth: 120') })
    await pass(6)
    const after = source.asked.length
    await pass(10)
    expect(source.asked.length).toBe(after)
  })

  it.each([
    ['an error', { status: 'error', error: 'parse error' }, 'it answers: parse error'],
    ['several series', vector('1', '2'), 'it gives 2 series; the expression has to give one'],
    ['no series', vector(), 'it gives 0 series'],
    ['what is no number', vector('NaN'), 'it gives NaN, which is no figure'],
    ['another kind', { status: 'success', data: { resultType: 'matrix', result: [] } }, 'it gives no number'],
  ])('that give %s are told once, and hold up nothing', async (_, answer, message) => {
    const source = await prometheus({ 'depth{arm="canary"}': answer, 'depth{arm="stable"}': vector('1') })
    const { bench, storage, queries, warnings, pass } = await setup(source.url)
    await pass(8)
    const { id, state } = await rolloutOf(bench)
    expect(state.phase).toBe('running')
    expect(queries.troubles(id)).toEqual([
      { metric: 'depth', failures: expect.any(Number), message: expect.stringContaining(message) },
    ])
    expect(warnings).toEqual([expect.stringContaining('the query of depth for checkout-v2 does not work')])
    source.answers['depth{arm="canary"}'] = vector('1')
    await pass(4)
    expect(queries.troubles(id)).toEqual([])
    expect(warnings[1]).toContain('works again')
    const ticks = await storage.evidence.ticks(id, { fromEpoch: 0, after: -1, through: 1e12 })
    expect(ticks.some(({ external }) => external?.depth?.canary.sum === 1)).toBe(true)
  })

  it('that reach nobody are told with the address', async () => {
    const { bench, queries, pass } = await setup('http://127.0.0.1:9')
    await pass(4)
    const { id } = await rolloutOf(bench)
    expect(queries.troubles(id)[0]?.message).toContain('no answer from http://127.0.0.1:9')
  })
})
