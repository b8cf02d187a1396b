import type { Report } from '@pipit/shared/protocol'
import { createFakeClock } from '@pipit/shared/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSteadyClock } from '../engine/index.ts'
import { parseRollout } from '../rollout/index.ts'
import type { Storage } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { StorageError } from '../storage/storage-error.ts'
import { eventKey } from './fold-report.ts'
import { createIngest } from './ingest.ts'

const unit = (n: number): string => n.toString(16).padStart(16, '0')

async function setup(file: object = {}) {
  const storage = openSqlite({ file: ':memory:' })
  const clock = createFakeClock()
  const parsed = parseRollout({
    key: 'checkout',
    stages: [
      { name: 'half', weight: 50 },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'bought', window: '1h' }],
    guards: [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' }],
    ...file,
  })
  if (!parsed.ok) throw new Error('wrong rollout')
  const progress = {
    salt: '0123456789abcdef',
    epoch: 2,
    stage: 0,
    weight: 50,
    startedAt: 0,
    stageStartedAt: 0,
    pausedMs: 0,
    overrides: {},
    dismissed: {},
    thresholds: { version: 1, ms: [10] },
  }
  await storage.environments.insert({
    name: 'production',
    unitSalt: 'u',
    rulesetVersion: 1,
    holdback: 0,
    userHash: 'off',
    createdAt: 0,
  })
  await storage.rollouts.insert({
    id: 'r1',
    environment: 'production',
    key: 'checkout',
    definition: parsed.definition,
    state: { phase: 'running', progress },
    version: 1,
    runEpoch: 1,
    createdAt: 0,
    updatedAt: 0,
  })
  const ingest = createIngest({ storage, clock })
  const submit = (report: Omit<Report, 'type'>, instance = 'instance-a') =>
    ingest.submit('production', { id: instance }, { type: 'report', ...report })
  const totals = async () => await storage.evidence.totals('r1', 0)
  return { storage, clock, ingest, submit, totals }
}

const cell = (n: number, more: object = {}) => ({
  rollout: 'checkout',
  epoch: 2,
  variant: 'canary',
  stratum: 'split',
  thresholds: 1,
  columns: 5,
  buckets: [0, n, 0, n, 0],
  ...more,
})
const exposure = (units: readonly string[], variant = 'canary') => ({
  rollout: 'checkout',
  epoch: 2,
  variant,
  stratum: 'split',
  reason: 'split',
  units,
})

const sum = async (storage: Storage): Promise<number> =>
  (await storage.evidence.totals('r1', 0)).reduce((all, row) => all + row.n, 0)

describe('ingest', () => {
  it('counts a report once however often it comes', async () => {
    const { submit, storage, ingest } = await setup()
    expect(await submit({ seq: 1, outcomes: [cell(5)] })).toEqual({ seq: 1, status: 'stored' })
    expect(await submit({ seq: 1, outcomes: [cell(5)] })).toEqual({ seq: 1, status: 'duplicate' })
    expect(await submit({ seq: 1, outcomes: [cell(5)] }, 'instance-b')).toEqual({ seq: 1, status: 'stored' })
    expect(await sum(storage)).toBe(10)
    expect(ingest.counters()).toMatchObject({ reports: 2, duplicates: 1, outcomes: 10 })
  })

  it('counts reports that overtake one another once each, and says which lie too far back', async () => {
    const { submit, storage, ingest } = await setup()
    await submit({ seq: 6, outcomes: [cell(1)] })
    expect(await submit({ seq: 5, outcomes: [cell(2)] })).toEqual({ seq: 5, status: 'stored' })
    expect(await submit({ seq: 5, outcomes: [cell(2)] })).toEqual({ seq: 5, status: 'duplicate' })
    await submit({ seq: 100, outcomes: [cell(4)] })
    expect(await submit({ seq: 68, outcomes: [cell(8)] })).toEqual({ seq: 68, status: 'duplicate' })
    expect(await submit({ seq: 69, outcomes: [cell(16)] })).toEqual({ seq: 69, status: 'stored' })
    expect(await sum(storage)).toBe(1 + 2 + 4 + 16)
    expect(ingest.counters()).toMatchObject({ reports: 4, duplicates: 1, reports_too_old: 1 })
  })

  it('takes the first of two reports with one sequence, whatever is in the second', async () => {
    const { submit, storage } = await setup()
    await submit({ seq: 1, outcomes: [cell(1)] })
    expect(await submit({ seq: 1, outcomes: [cell(2)] })).toMatchObject({ status: 'duplicate' })
    expect(await sum(storage)).toBe(1)
  })

  it('forgets the sequences of a page after a day, of a server after a week', async () => {
    const { storage, ingest, clock } = await setup()
    const report = { type: 'report', seq: 1 } as const
    await ingest.submit('production', { id: 'page/a', group: 'pages' }, report)
    await ingest.submit('production', { id: 'server-a' }, report)
    const day = 86_400_000
    expect(await storage.reports.prune(clock.now() + day - 1, 10)).toBe(0)
    expect(await storage.reports.prune(clock.now() + day, 10)).toBe(1)
    expect(await storage.reports.prune(clock.now() + 7 * day - 1, 10)).toBe(0)
    expect(await storage.reports.prune(clock.now() + 7 * day, 10)).toBe(1)
  })

  it('gives the sums of the distinct reports under any order and repetition', async () => {
    const arrival = fc.record({
      instance: fc.constantFrom('instance-a', 'instance-b', 'instance-c'),
      repeat: fc.nat({ max: 2 }),
      n: fc.integer({ min: 1, max: 9 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 30 }), async (arrivals) => {
        const { submit, storage } = await setup()
        const last = new Map<string, number>()
        const waiting: Promise<unknown>[] = []
        let expected = 0
        for (const { instance, repeat, n } of arrivals) {
          const seq = (last.get(instance) ?? 0) + 1
          last.set(instance, seq)
          expected += n
          for (let i = 0; i <= repeat; i++) waiting.push(submit({ seq, outcomes: [cell(n)] }, instance))
        }
        await Promise.all(waiting)
        expect(await sum(storage)).toBe(expected)
      }),
      { numRuns: 30 },
    )
  })

  it('stores nothing of a batch that fails, says so, and takes it when it comes again', async () => {
    const { submit, storage, ingest } = await setup()
    const { transaction } = storage
    let failing = true
    const broken: Storage = {
      ...storage,
      transaction: (work) =>
        transaction(async (stores) => {
          const result = await work(stores)
          if (failing) throw new Error('disk full')
          return result
        }),
    }
    const faulty = createIngest({ storage: broken, clock: createFakeClock() })
    const report = { type: 'report', seq: 1, outcomes: [cell(5)] } as const
    await expect(faulty.submit('production', { id: 'instance-a' }, report)).rejects.toThrow('disk full')
    expect(await sum(storage)).toBe(0)
    failing = false
    expect(await faulty.submit('production', { id: 'instance-a' }, report)).toEqual({ seq: 1, status: 'stored' })
    expect(await sum(storage)).toBe(5)
    expect(await submit({ seq: 1 })).toMatchObject({ status: 'duplicate' })
    await ingest.stop()
  })

  it('leaves out what refers to nothing known, counts it, and takes the rest', async () => {
    const { submit, storage, ingest } = await setup()
    await submit({
      seq: 1,
      outcomes: [
        cell(1),
        cell(2, { rollout: 'gone' }),
        cell(4, { variant: 'canary-z' }),
        cell(8, { epoch: 3 }),
        cell(16, { thresholds: 9 }),
      ],
      dropped: { events: 3 },
    })
    expect(await sum(storage)).toBe(1)
    expect(ingest.counters()).toMatchObject({
      unknown_rollout: 1,
      unknown_variant: 1,
      unknown_epoch: 1,
      unknown_thresholds: 1,
      sdk_dropped_events: 3,
    })
  })

  it('takes late reports into their own epoch, in the time bucket in which they come', async () => {
    const { submit, storage, clock, ingest } = await setup()
    await clock.advance(60_000)
    await submit({ seq: 1, outcomes: [cell(3, { epoch: 1 })] })
    expect(await storage.evidence.ticks('r1', { fromEpoch: 1, after: 0, through: 1e12 })).toMatchObject([
      { epoch: 1, tick: Math.floor(clock.now() / 5000), canary: { n: 3 } },
    ])
    expect(ingest.counters().late_cells).toBe(1)
  })

  it('joins events to exposures, whichever comes first, and each id once', async () => {
    const { submit, totals, clock, ingest } = await setup()
    await submit({ seq: 1, events: [{ event: 'bought', unit: unit(1), ageMs: 0, id: 'order-1' }] }, 'instance-b')
    await clock.advance(5000)
    await submit({ seq: 1, exposures: [exposure([unit(1), unit(2)])] })
    await submit({ seq: 2, events: [{ event: 'bought', unit: unit(2), ageMs: 100, id: 'order-2' }] })
    await submit(
      {
        seq: 2,
        events: [
          { event: 'bought', unit: unit(2), ageMs: 0, id: 'order-2' },
          { event: 'looked', unit: unit(2), ageMs: 0 },
        ],
      },
      'instance-b',
    )
    expect(await totals()).toMatchObject([
      { variant: 'canary', exposed: 2, conversions: { purchase: { atRisk: 2, converted: 2 } } },
    ])
    expect(ingest.counters()).toMatchObject({ events_repeated: 1, events_unused: 1 })
  })

  it('tells events with one id apart by their names', async () => {
    const spent = { key: 'spent', kind: 'sum', event: 'bought', window: '1h' }
    const returned = { key: 'returned', kind: 'sum', event: 'refunded', window: '1h' }
    const { submit, ingest } = await setup({ metrics: [spent, returned], guards: [] })
    const item = { unit: unit(1), ageMs: 0, id: 'order-1', value: 5 }
    await submit({
      seq: 1,
      exposures: [exposure([unit(1)])],
      events: ['bought', 'refunded', 'refunded'].map((event) => ({ ...item, event })),
    })
    expect(ingest.counters()).toMatchObject({ values_counted: 2, events_repeated: 1 })
  })

  it('does not count an event that is older than its exposure, or beyond the window', async () => {
    const { submit, totals, clock } = await setup()
    await submit({
      seq: 1,
      exposures: [exposure([unit(1)])],
      events: [{ event: 'bought', unit: unit(1), ageMs: 180_000 }],
    })
    await clock.advance(2 * 3_600_000)
    await submit({ seq: 2, events: [{ event: 'bought', unit: unit(1), ageMs: 0 }] })
    expect((await totals())[0]?.conversions.purchase).toEqual({ atRisk: 1, converted: 0 })
  })

  it('counts an event whose exposure an outage has held up for a minute', async () => {
    const { submit, totals, clock } = await setup()
    await submit({ seq: 1, events: [{ event: 'bought', unit: unit(1), ageMs: 0 }] })
    await clock.advance(60_000)
    await submit({ seq: 1, exposures: [exposure([unit(1)])] }, 'instance-b')
    expect((await totals())[0]?.conversions.purchase).toEqual({ atRisk: 1, converted: 1 })
  })

  it('counts a unit that shows up in two arms as a conflict', async () => {
    const { submit, totals, ingest } = await setup()
    await submit({ seq: 1, exposures: [exposure([unit(1)]), exposure([unit(1)], 'stable')] })
    expect((await totals()).reduce((all, row) => all + row.exposed, 0)).toBe(1)
    expect(ingest.counters()).toMatchObject({ exposures: 1, exposure_conflicts: 1 })
  })

  it('sends SDKs away for a while instead of growing', async () => {
    const { submit, storage } = await setup()
    const answers = await Promise.all(
      Array.from({ length: 2100 }, (_, i) => submit({ seq: 1, outcomes: [cell(1)] }, `instance-${i}`)),
    )
    const refused = answers.filter((answer) => 'type' in answer)
    expect(refused.length).toBe(100)
    expect(refused[0]).toMatchObject({ type: 'error', code: 'unavailable', retry: true, seq: 1 })
    expect(await sum(storage)).toBe(2000)
  })

  it('refuses for good what belongs to no environment', async () => {
    const { ingest } = await setup()
    expect(await ingest.submit('gone', { id: 'instance-a' }, { type: 'report', seq: 1 })).toMatchObject({
      type: 'error',
      code: 'bad-report',
      retry: false,
      seq: 1,
    })
  })

  it('shares one commit among the sockets that were readable in one turn of the event loop', async () => {
    const { storage } = await setup()
    let commits = 0
    const counting: Storage = {
      ...storage,
      transaction: (work) => {
        commits++
        return storage.transaction(work)
      },
    }
    const ingest = createIngest({ storage: counting, clock: createFakeClock() })
    const answers = Array.from(
      { length: 64 },
      (_, i) =>
        new Promise((resolve) => {
          // As a socket does it: each message in a callback of its own.
          setImmediate(() => {
            resolve(
              ingest.submit('production', { id: `instance-${i}` }, { type: 'report', seq: 1, outcomes: [cell(1)] }),
            )
          })
        }),
    )
    await Promise.all(answers)
    expect(commits).toBe(1)
    expect(await sum(storage)).toBe(64)
  })

  it('bounds what waits by its size too, and takes a large report alone', async () => {
    const { submit, storage } = await setup()
    const large = (from: number) => ({
      seq: 1,
      exposures: [exposure(Array.from({ length: 15_000 }, (_, i) => unit(from + i)))],
    })
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, i) => submit(large(i % 2 === 0 ? 0 : 15_000), `instance-${i}`)),
    )
    expect(answers.map((answer) => 'type' in answer && answer.retry)).toEqual([
      ...Array.from({ length: 13 }, () => false),
      true,
      true,
    ])
    expect((await storage.evidence.totals('r1', 0))[0]?.exposed).toBe(30_000)
    expect(await submit(large(0), 'instance-14')).toEqual({ seq: 1, status: 'stored' })
  })

  it('does not let one report that cannot be stored hold up those it came with', async () => {
    const { storage } = await setup()
    const { transaction } = storage
    const faulty: Storage = {
      ...storage,
      transaction: (work) =>
        transaction((stores) =>
          work({
            ...stores,
            evidence: {
              ...stores.evidence,
              addOutcomes: async (delta) => {
                if (delta.rows[1] === 13) throw new TypeError('what is this')
                await stores.evidence.addOutcomes(delta)
              },
            },
          }),
        ),
    }
    const ingest = createIngest({ storage: faulty, clock: createFakeClock() })
    const answers = await Promise.allSettled(
      [1, 13, 2].map((n) =>
        ingest.submit('production', { id: `instance-${n}` }, { type: 'report', seq: 1, outcomes: [cell(n)] }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await sum(storage)).toBe(3)
    expect(ingest.counters()).toMatchObject({ reports: 2, outcomes: 3, commits_failed: 2 })
  })

  it('sends a whole group away when the disk is full, without trying each', async () => {
    const { storage } = await setup()
    let commits = 0
    const full: Storage = {
      ...storage,
      transaction: async () => {
        commits++
        throw new StorageError('disk-full', 'make room')
      },
    }
    const ingest = createIngest({ storage: full, clock: createFakeClock() })
    const answers = await Promise.allSettled(
      ['a', 'b'].map((name) => ingest.submit('production', { id: `instance-${name}` }, { type: 'report', seq: 1 })),
    )
    expect(answers).toMatchObject(
      Array(2).fill({ status: 'fulfilled', value: { code: 'unavailable', retry: true, retryAfterMs: 1000 } }),
    )
    expect(commits).toBe(1)
  })

  it('says what waits, for how long, and since when the database fails, and sends SDKs away for as long', async () => {
    const { storage } = await setup()
    const clock = createFakeClock()
    let open = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    let isFull = false
    const slow: Storage = {
      ...storage,
      transaction: async (work) => {
        await gate
        if (isFull) throw new StorageError('disk-full', 'make room')
        return await storage.transaction(work)
      },
    }
    const ingest = createIngest({ storage: slow, clock, limits: { queuedReports: 2 } })
    const submit = (seq: number) =>
      ingest.submit('production', { id: 'instance-a' }, { type: 'report', seq, outcomes: [cell(1)] })
    expect(ingest.load()).toEqual({ reports: 0, weight: 0, oldestMs: 0, commitMs: 0 })
    const taken = [submit(1), submit(2)]
    expect(await submit(3)).toMatchObject({ code: 'unavailable', retry: true, retryAfterMs: 1000 })
    // It waits a turn or two for more.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(700)
    // Under commit, and still waiting for their answer.
    expect(ingest.load()).toEqual({ reports: 2, weight: 42, oldestMs: 700, commitMs: 0 })
    open()
    await Promise.all(taken)
    expect(ingest.load()).toEqual({ reports: 0, weight: 0, oldestMs: 0, commitMs: 700 })

    isFull = true
    expect(await submit(3)).toMatchObject({ retryAfterMs: 1000 })
    await clock.advance(8000)
    expect(ingest.load()).toMatchObject({ failingSinceMs: 8000 })
    expect(await submit(3)).toMatchObject({ retryAfterMs: 8000 })
    await clock.advance(600_000)
    expect(await submit(3)).toMatchObject({ retryAfterMs: 60_000 })
    isFull = false
    expect(await submit(3)).toEqual({ seq: 3, status: 'stored' })
    expect(ingest.load()).not.toHaveProperty('failingSinceMs')
  })

  it('counts requests and failures, but no exceedances, of a cell with another number of limits', async () => {
    const { submit, storage, ingest } = await setup()
    await submit({ seq: 1, outcomes: [cell(3), cell(4, { columns: 6, buckets: [0, 4, 1, 4, 2, 2] })] })
    expect(await storage.evidence.ticks('r1', { fromEpoch: 1, after: 0, through: 1e12 })).toMatchObject([
      { thresholdsVersion: 1, canary: { n: 7, failed: 1, timed: 3, over: [0] } },
    ])
    expect(ingest.counters()).toMatchObject({ unknown_thresholds: 1, outcomes: 7 })
  })

  it('lets no event wait longer than two minutes, nor for a rollout that has ended', async () => {
    const { submit, storage, clock, ingest } = await setup()
    await submit({ seq: 1, events: [{ event: 'bought', unit: unit(1), ageMs: 0.4 }] })
    // Those whose time is over are taken out once a minute; this one's ends in between.
    await clock.advance(100_000)
    await submit({ seq: 2 })
    await clock.advance(20_000)
    await submit({ seq: 3, exposures: [exposure([unit(1)])] })
    expect(ingest.counters()).toMatchObject({ events_expired: 1 })
    expect((await storage.evidence.totals('r1', 0))[0]?.conversions.purchase).toEqual({ atRisk: 1, converted: 0 })

    const record = await storage.rollouts.getById('r1')
    if (record?.state.phase !== 'running') throw new Error('the rollout runs')
    const state = { phase: 'reverted', progress: record.state.progress, why: 'harm', endedAt: clock.now() } as const
    await storage.rollouts.update({ ...record, version: 2, state }, 1)
    await storage.environments.bump('production')
    await submit({ seq: 4, events: [{ event: 'bought', unit: unit(2), ageMs: 0 }] })
    expect(await storage.evidence.hasPending('production')).toBe(false)
  })

  it('keeps nothing of an event that nobody counts, its id neither', async () => {
    const { submit, storage } = await setup()
    await submit({ seq: 1, events: [{ event: 'looked', unit: unit(1), ageMs: 0, id: 'look-1' }] })
    expect(await storage.evidence.hasPending('production')).toBe(false)
    expect(await storage.evidence.claimEvent('production', eventKey('looked', 'look-1'), 1)).toBe(true)
  })
})

describe('values and slices', () => {
  const metrics = [
    { key: 'revenue', kind: 'sum', event: 'bought', window: '1h', cap: 100 },
    { key: 'order', kind: 'mean', event: 'bought', window: '1h' },
    { key: 'clicks', kind: 'count', event: 'click', window: '1h' },
    {
      ...{ key: 'per-click', kind: 'ratio', window: '1h' },
      numerator: { event: 'bought', of: 'value' },
      denominator: { event: 'click', of: 'count' },
    },
  ]
  const values = async () => {
    const world = await setup({ metrics, guards: [], slices: ['country', 'region', 'sdk'] })
    const table = async () => {
      const [buckets] = await world.storage.evidence.buckets('r1', 2)
      const total = (numbers: Float64Array) => numbers.reduce((all, one) => all + one, 0)
      return Object.fromEntries(
        Object.entries(buckets?.values ?? {}).map(([metric, { canary }]) => [
          metric,
          [total(canary.y), total(canary.d)],
        ]),
      )
    }
    return { ...world, table }
  }
  const event = (name: string, of: string, value?: number) => ({
    ...{ event: name, unit: of, ageMs: 0 },
    ...(value === undefined ? {} : { value }),
  })

  it('adds what users did to sums, counts, means and ratios, whether it comes before or after the exposure', async () => {
    const { submit, table, ingest } = await values()
    await submit({ seq: 1, events: [event('bought', unit(1), 70)] })
    await submit({ seq: 2, exposures: [exposure([unit(1), unit(2)])] })
    await submit({ seq: 3, events: [event('bought', unit(1), 50), event('click', unit(1)), event('click', unit(2))] })
    expect(await table()).toEqual({
      revenue: [100, 2],
      order: [120, 2],
      clicks: [2, 2],
      'per-click': [120, 2],
    })
    expect(ingest.counters()).toMatchObject({ values_counted: 10, values_not_exposed: 3 })
  })

  it('leaves out of a sum what has no value, and counts that it did', async () => {
    const { submit, table, ingest } = await values()
    await submit({ seq: 1, exposures: [exposure([unit(1)])], events: [event('bought', unit(1))] })
    expect(await table()).toMatchObject({ revenue: [0, 1], order: [0, 0] })
    expect(ingest.counters()).toMatchObject({ values_missing: 3 })
  })

  it('takes the value of a slice from the user, else from a label of the instance, else from its SDK', async () => {
    const { ingest, storage } = await values()
    const from = { id: 'instance-a', sdk: 'pipit-node@1.2.0', labels: { region: 'eu', country: 'DE' } }
    const outcome = cell(10, { slices: { country: { NZ: [4, 1, 4, 0], '(none)': [6, 0, 6, 0] } } })
    const seen = { ...exposure([unit(1)]), slice: { country: 'NZ' } }
    await ingest.submit('production', from, { type: 'report', seq: 1, outcomes: [outcome], exposures: [seen] })
    const [tick] = await storage.evidence.ticks('r1', { fromEpoch: 0, after: -1, through: 1e12 })
    const found = Object.entries(tick?.slices ?? {}).map(([attribute, of]) => [
      attribute,
      Object.fromEntries(Object.entries(of).map(([value, { canary }]) => [value, [canary.n, canary.failed]])),
    ])
    expect(Object.fromEntries(found)).toEqual({
      country: { NZ: [4, 1], '(none)': [6, 0] },
      region: { eu: [10, 0] },
      sdk: { 'pipit-node@1.2.0': [10, 0] },
    })
    const one = { canary: 1, stable: 0 }
    expect(await storage.evidence.exposedBy('r1', 2)).toEqual({
      country: { NZ: one },
      region: { eu: one },
      sdk: { 'pipit-node@1.2.0': one },
      instance: { 'instance-a': one },
    })
  })
})

describe('what comes late, early or out of order, as docs/operation.md tells it', () => {
  const bought = (n: number, ageMs = 0, more: object = {}) => ({ event: 'bought', unit: unit(n), ageMs, ...more })

  /** The rollout is taken back now: its run's epoch 2 is followed by 3, in which nobody gets the canary. */
  async function revert({ storage, clock }: Awaited<ReturnType<typeof setup>>): Promise<void> {
    const record = await storage.rollouts.getById('r1')
    if (record?.state.phase !== 'running') throw new Error('the rollout runs')
    const progress = { ...record.state.progress, epoch: 3, weight: 0 }
    const state = { phase: 'reverted', progress, why: 'harm', endedAt: clock.now() } as const
    await storage.rollouts.update({ ...record, version: 2, state }, 1)
    await storage.environments.bump('production')
  }

  it('counts what was decided before a revert in the epoch in which it was', async () => {
    const world = await setup()
    const { submit, totals, ingest } = world
    await submit({ seq: 1, exposures: [exposure([unit(1)])] })
    await revert(world)
    await submit({ seq: 2, outcomes: [cell(5)], exposures: [exposure([unit(2)])], events: [bought(1), bought(2)] })
    expect(await totals()).toMatchObject([
      { epoch: 2, variant: 'canary', n: 5, exposed: 2, conversions: { purchase: { atRisk: 2, converted: 2 } } },
    ])
    expect(ingest.counters()).toMatchObject({ late_cells: 2, conversions_counted: 2 })
  })

  it('lets no event wait for an exposure that a rollout which has ended cannot bring', async () => {
    const world = await setup()
    await revert(world)
    await world.submit({ seq: 1, events: [bought(1)] })
    expect(await world.storage.evidence.hasPending('production')).toBe(false)
    expect(world.ingest.counters()).toMatchObject({ conversions_not_exposed: 1 })
  })

  it('takes an event for older than 90 days as 90 days old, and none for younger than it can be', async () => {
    const { submit, storage, clock, ingest } = await setup()
    await submit({ seq: 1, events: [bought(1, 1e15), bought(2, 0)] })
    const waiting = [
      ...(await storage.evidence.takePending('production', unit(1))),
      ...(await storage.evidence.takePending('production', unit(2))),
    ]
    expect(waiting.map(({ at }) => clock.now() - at)).toEqual([90 * 86_400_000, 0])
    expect(ingest.counters()).toMatchObject({ events: 2 })
  })

  it('counts an event from within two minutes before its exposure was told, and none from before that', async () => {
    const { submit, totals, ingest } = await setup()
    await submit({
      seq: 1,
      exposures: [exposure([unit(1), unit(2)])],
      events: [bought(1, 120_000), bought(2, 120_001)],
    })
    expect((await totals())[0]?.conversions.purchase).toEqual({ atRisk: 2, converted: 1 })
    expect(ingest.counters()).toMatchObject({ conversions_counted: 1, conversions_not_exposed: 1 })
  })

  it('counts an event within its window, and none after', async () => {
    const { submit, clock, ingest } = await setup()
    await submit({ seq: 1, exposures: [exposure([unit(1), unit(2)])] })
    await clock.advance(3_600_000)
    await submit({ seq: 2, events: [bought(1)] })
    await clock.advance(1)
    await submit({ seq: 3, events: [bought(2)] })
    expect(ingest.counters()).toMatchObject({ conversions_counted: 1, conversions_outside_window: 1 })
  })

  it('opens no bucket twice when the clock is set forward or back by an hour, and counts each report once', async () => {
    const { storage } = await setup()
    const clock = createFakeClock()
    const ingest = createIngest({ storage, clock: createSteadyClock(clock) })
    const report = (seq: number) =>
      ingest.submit('production', { id: 'instance-b' }, { type: 'report', seq, outcomes: [cell(1)] })
    await report(1)
    clock.jump(3_600_000)
    await clock.advance(5000)
    await report(2)
    clock.jump(-7_200_000)
    await clock.advance(20_000)
    await report(3)
    expect(await report(2)).toMatchObject({ status: 'duplicate' })
    const ticks = await storage.evidence.ticks('r1', { fromEpoch: 1, after: 0, through: 1e12 })
    const first = ticks[0]?.tick ?? 0
    // Twice as fast, then half as fast as the time that passed.
    expect(ticks.map(({ tick, canary }) => [tick - first, canary.n])).toEqual([
      ...[
        [0, 1],
        [2, 1],
        [4, 1],
      ],
    ])
  })

  it('still knows after a restart what waits for its exposure', async () => {
    const { storage, clock, submit, totals } = await setup()
    await submit({ seq: 1, events: [bought(1)] })
    const after = createIngest({ storage, clock })
    await clock.advance(60_000)
    await after.submit('production', { id: 'instance-c' }, { type: 'report', seq: 1, exposures: [exposure([unit(1)])] })
    expect((await totals())[0]?.conversions.purchase).toEqual({ atRisk: 1, converted: 1 })
  })
})
