import { type Client, createClientCore } from '@pipit/shared/client'
import { compileRuleset, type Decision } from '@pipit/shared/decide'
import { encodeMessage, type PageDecision, parsePagePost, parseSdkMessage, type Report } from '@pipit/shared/protocol'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { decodeSketch } from '@pipit/shared/sketch'
import { createFakeClock, createFakeServer, seededRandom } from '@pipit/shared/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hubOf, itemsOf, pageNow, posted, rollout } from '../hub-fixture.ts'
import { foldPageReport } from './page-report.ts'

const judged: RulesetRollout = {
  ...{ ...rollout, weight: 50, browser: true, breaker: false },
  thresholds: { version: 2, ms: [10, 100] },
  slices: ['country', 'plan'],
  events: ['buy', 'view'],
}
const ruleset: Ruleset = {
  ...{ version: 4, environment: 'production', unitSalt: 'u' },
  rollouts: {
    // In the order in which a name that is not the first by name is met first.
    either: { ...judged, salt: 'aaaaaaaaaaaaaaaa', unit: ['team', 'id'] },
    plain: judged,
    sampled: { ...judged, salt: 'bbbbbbbbbbbbbbbb', unitSample: 0.5, slices: ['country'] },
    arms: { ...judged, variants: [{ name: 'stable' }, { name: 'canary', share: 1 }, { name: 'second', share: 2 }] },
    ruled: { ...judged, rules: [{ name: 'half', when: { plan: 'pro' }, serve: { canary: 50, stable: 50 } }] },
    listed: { ...judged, cohorts: ['nz'], overrides: { u3: 'canary' }, thresholds: { version: 0, ms: [] } },
    over: { ...judged, phase: 'reverted' },
  },
  cohorts: { nz: { when: { country: 'nz' } } },
}
const compiled = compileRuleset(ruleset)
const keys = Object.keys(ruleset.rollouts)

const users = fc.record(
  {
    id: fc.constantFrom('u1', 'u2', 'u3', 'u4'),
    anonymousId: fc.constantFrom('x', 'y'),
    team: fc.constantFrom('red', 'u1'),
    country: fc.constantFrom('nz', 'nl', 'x'.repeat(70)),
    plan: fc.constantFrom('pro', 'free', 7, true),
  },
  { requiredKeys: ['anonymousId'] },
)
const done = fc.record(
  {
    rollout: fc.constantFrom(...keys),
    ok: fc.boolean(),
    kind: fc.constantFrom('4xx' as const, '5xx' as const, 'application' as const),
    latencyMs: fc.constantFrom(0, 0.5, 10, 10.1, 99, 101, 5000),
  },
  { requiredKeys: ['rollout', 'ok'] },
)
const tracked = fc.record(
  { event: fc.constantFrom('buy', 'view', 'unknown'), value: fc.integer(), id: fc.constantFrom('order-1', 'order-2') },
  { requiredKeys: ['event'] },
)

/** What an SDK of a server reports of it. */
async function recorded(run: (sdk: Client) => void): Promise<Report | undefined> {
  const clock = createFakeClock()
  const random = seededRandom(1)
  const server = createFakeServer(clock, random, ruleset)
  const platform = { sdk: { name: 'test', version: '1' }, clock, random, connect: server.connect }
  const sdk = createClientCore(
    { ...platform, request: server.request, log: { warn: () => undefined } },
    { url: 'http://127.0.0.1:4400', key: 'srv_x', rollout: 'plain' },
  )
  await clock.advance(10)
  run(sdk)
  await clock.advance(3000)
  return server.accepted[0]
}

const pageDecision = ({ rollout: key, epoch, variant, reason, rule, randomised }: Decision): PageDecision => ({
  ...{ rollout: key, epoch, variant, reason, randomised },
  ...(rule === undefined ? {} : { rule }),
})

/** As a set: neither the order of cells counts, nor how long ago an event was. */
const contents = ({ outcomes = [], exposures = [], events = [] }: Partial<Report> = {}): readonly string[] =>
  [...outcomes, ...exposures, ...events.map((event) => ({ ...event, ageMs: 0 }))]
    .map((item) => JSON.stringify(Object.entries(item).sort(([a], [b]) => a.localeCompare(b))))
    .sort()

const sender = {
  ...{ type: 'reports', key: 'web_good', now: pageNow },
  ...{ instance: 'page-0001', sdk: { name: 't', version: '1' } },
}

describe('what a page tells', () => {
  it('comes to the same cells, exposures and events as the same in an SDK of a server', async () => {
    let cells = 0
    await fc.assert(
      fc.asyncProperty(
        users,
        fc.array(done, { maxLength: 30 }),
        fc.array(tracked, { maxLength: 5 }),
        async (user, all, events) => {
          const exposures: PageDecision[] = []
          const outcomes: unknown[] = []
          const report = await recorded((sdk) => {
            for (const { rollout: key, ...outcome } of all) {
              const decision = sdk.decide(user, key)
              sdk.outcome(decision, outcome)
              const told = pageDecision(decision)
              outcomes.push({
                ...told,
                ok: outcome.ok,
                ...(outcome.kind && { kind: outcome.kind }),
                ms: [outcome.latencyMs ?? null],
              })
              const isExposed = !['phase', 'no-unit'].includes(told.reason)
              if (isExposed && !exposures.some((known) => known.rollout === key)) exposures.push(told)
            }
            for (const { event, ...options } of events) sdk.track(user, event, options)
          })
          const items = itemsOf({ outcomes, exposures, events: events.map((event) => ({ ...event, ageMs: 0 })) })
          const envelope = parsePagePost(JSON.stringify({ ...sender, reports: [{ seq: 1, user, items }] }))
          const read = envelope.ok ? envelope.message.read() : envelope
          const first = read.ok ? read.message.reports[0] : read
          if (first?.ok !== true) throw new Error(first?.error.message)
          const folded = foldPageReport(first.message.report, {
            compiled,
            user,
            random: () => 0,
            count: () => undefined,
          })
          expect(contents(folded)).toEqual(contents(report))
          cells += report?.outcomes?.length ?? 0
        },
      ),
      { numRuns: 200 },
    )
    expect(cells).toBeGreaterThan(300)
  })

  const decision = { rollout: 'plain', epoch: 1, variant: 'canary', reason: 'override', randomised: false }
  const good = {
    outcomes: [{ ...decision, ok: false, kind: '5xx' }, [12, null]],
    exposures: [decision, [0]],
    events: [{ event: 'buy', at: pageNow - 3, value: 2, id: 'order-1' }, [0]],
  } as const
  const lists = ['outcomes', 'exposures', 'events'] as const
  const strange = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(-1, 1e16, 2 ** 53, 'x'.repeat(129), '', [-1, 1], ['1'], [[1]]),
  )
  /** A good item with a field that may be anything, anything, or something else than a list of entries. */
  const spoilt = (list: (typeof lists)[number]) => {
    const [item, entries] = good[list]
    const more = ['__proto__', 'slice', 'units', 'buckets', 'stratum']
    return fc.oneof(
      fc.tuple(fc.oneof(fc.string(), fc.json()), strange),
      fc
        .tuple(fc.constantFrom(...Object.keys(item), ...more), strange)
        .map(([field, value]): [string, unknown] => [JSON.stringify({ ...item, [field]: value }), entries]),
      strange.map((value): [string, unknown] => [JSON.stringify({ ...item, slice: 1 }), value]),
    )
  }
  const spoiltItems = fc.constantFrom(...lists).chain((list) => spoilt(list))

  it('is stored where it is good, whatever else stands beside it, and never as something bad', async () => {
    let left = 0
    await fc.assert(
      fc.asyncProperty(spoiltItems, fc.boolean(), fc.option(fc.jsonValue()), async (item, isFirst, anything) => {
        const { hub, reports } = hubOf({ ruleset })
        const around = lists.map((list) => [JSON.stringify(good[list][0]), good[list][1]])
        const report = {
          ...{ seq: 1, user: { id: 'u1' } },
          items: Object.fromEntries(isFirst ? [item, ...around] : [...around, item, ...around.slice(2)]),
          ...(anything === null ? {} : { dropped: anything }),
        }
        const answers = await posted(hub, { ...sender, reports: [report] })
        expect(answers[0]).toEqual({ type: 'ack', seq: 1 })
        const stored = reports[0]?.report
        // What is stored is what a server could have reported, to the letter.
        const read = parseSdkMessage(encodeMessage(stored as Report))
        expect(read).toEqual({ ok: true, message: JSON.parse(JSON.stringify(stored)) })
        for (const { buckets, columns, latency = '' } of stored?.outcomes ?? []) {
          const timed = buckets.reduce((sum, count, i) => sum + (i % columns === 3 ? count : 0), 0)
          expect(decodeSketch(latency)?.count ?? 0).toBe(timed)
        }
        const kept = stored?.outcomes?.find(
          (cell) => cell.rollout === 'plain' && cell.stratum === 'forced' && cell.variant === 'canary',
        )
        expect(kept?.buckets[1]).toBeGreaterThanOrEqual(2)
        expect(stored?.exposures?.length).toBeGreaterThanOrEqual(1)
        expect(stored?.events?.length).toBeGreaterThanOrEqual(1)
        if (answers.length === 1) return
        left++
        expect(answers).toHaveLength(2)
        expect(answers[1]).toMatchObject({ type: 'error', code: 'bad-report', retry: false })
        expect(answers[1]).not.toHaveProperty('seq')
        expect(String(answers[1]?.path)).toMatch(/^reports\[0\]\.(items: |dropped)/)
        expect(stored?.dropped?.invalid).toBeGreaterThan(0)
      }),
      { numRuns: 2000 },
    )
    expect(left).toBeGreaterThan(300)
  })

  it('is answered, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (anything, body) => {
        const { hub, reports } = hubOf({ ruleset })
        const answers = await posted(hub, {
          ...sender,
          reports: [anything, { seq: 3, items: anything, user: { id: 'u1' } }],
        })
        expect(answers).toContainEqual({ type: 'ack', seq: 3 })
        for (const { report } of reports) expect(parseSdkMessage(JSON.stringify(report)).ok).toBe(true)
        const [refused] = await posted(hub, { ...sender, ...(body as object), reports: 1 })
        expect(refused).toMatchObject({ type: 'error', retry: false })
        expect(parsePagePost(JSON.stringify(body)).ok).toBe(
          typeof body === 'object' && body !== null && !Array.isArray(body),
        )
      }),
      { numRuns: 500 },
    )
  })
})
