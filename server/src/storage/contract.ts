import { LatencySketch } from '@pipit/shared/sketch'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseRollout } from '../rollout/index.ts'
import { type OutcomeDelta, type RetentionStep, type RolloutRecord, type Storage, sequenceWindow } from './ports.ts'

/** How the suite gets a store. `reopen` closes it and opens the same data again; absent where data does not outlive the process. */
export interface StorageUnderTest {
  readonly storage: Storage
  readonly reopen?: () => Promise<Storage>
  readonly cleanUp: () => Promise<void>
}

const definition = (() => {
  const parsed = parseRollout({ key: 'checkout', stages: [{ name: 'full', weight: 100 }] })
  if (!parsed.ok) throw new Error('the suite has a wrong rollout')
  return parsed.definition
})()

const record = (id: string, key: string, more: Partial<RolloutRecord> = {}): RolloutRecord => ({
  id,
  environment: 'production',
  key,
  definition,
  state: { phase: 'draft' },
  version: 1,
  runEpoch: 0,
  createdAt: 1,
  updatedAt: 1,
  ...more,
})

const delta = (more: Partial<OutcomeDelta> = {}): OutcomeDelta => ({
  rolloutId: 'r1',
  epoch: 1,
  tick: 10,
  variant: 'canary',
  stratum: 'split',
  thresholdsVersion: 1,
  columns: 5,
  rows: [3, 10, 2, 8, 1, 200, 5, 0, 5, 4],
  ...more,
})

const unit = (n: number): string => n.toString(16).padStart(16, '0')
const person = { kind: 'person', name: 'ada' } as const

/** Repeats a piece of work on old rows until there is no more of it; the rows of each. */
async function all(step: (limit: number) => Promise<RetentionStep>, limit: number): Promise<number[]> {
  const rows: number[] = []
  for (let more = true; more; ) {
    const done = await step(limit)
    if (done.rows > 0) rows.push(done.rows)
    more = done.more
  }
  return rows
}

/** What every storage adapter promises; run on each. */
export function describeStorage(name: string, open: () => Promise<StorageUnderTest>): void {
  describe(`storage on ${name}`, () => {
    let under: StorageUnderTest
    let storage: Storage
    beforeEach(async () => {
      under = await open()
      storage = under.storage
      await storage.environments.insert({
        name: 'production',
        unitSalt: 'salt',
        rulesetVersion: 1,
        holdback: 0,
        userHash: 'off',
        createdAt: 1,
      })
    })
    afterEach(async () => {
      await storage.close().catch(() => undefined)
      await under.cleanUp()
    })

    it('rolls a transaction back as a whole', async () => {
      const failed = storage.transaction(async (stores) => {
        await stores.rollouts.insert(record('r1', 'checkout'))
        await stores.environments.bump('production')
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      expect(await storage.rollouts.list('production')).toEqual([])
      expect((await storage.environments.get('production'))?.rulesetVersion).toBe(1)
    })

    it('shows nobody what is not committed', async () => {
      let seen: unknown
      const reading: Promise<unknown>[] = []
      await storage.transaction(async (stores) => {
        await stores.rollouts.insert(record('r1', 'checkout'))
        reading.push(
          storage.rollouts.get('production', 'checkout').then((found) => {
            seen = found
          }),
        )
        await Promise.resolve()
        expect(seen).toBeUndefined()
        expect(await stores.rollouts.get('production', 'checkout')).toBeDefined()
      })
      await Promise.all(reading)
      expect(await storage.rollouts.get('production', 'checkout')).toBeDefined()
    })

    it('runs transactions one after another', async () => {
      const add = (): Promise<number> => storage.transaction((stores) => stores.environments.bump('production'))
      expect((await Promise.all([add(), add(), add()])).sort()).toEqual([2, 3, 4])
    })

    it('keeps what was committed when it is opened again', async () => {
      if (under.reopen === undefined) return
      await storage.rollouts.insert(record('r1', 'checkout', { wakeAt: 5 }))
      await storage.evidence.addOutcomes(delta())
      storage = await under.reopen()
      expect(await storage.rollouts.get('production', 'checkout')).toEqual(record('r1', 'checkout', { wakeAt: 5 }))
      expect(await storage.evidence.totals('r1', 0)).toHaveLength(1)
    })

    it('writes a rollout only over the version that was seen', async () => {
      expect(await storage.rollouts.insert(record('r1', 'checkout'))).toBe(true)
      expect(await storage.rollouts.insert(record('r2', 'checkout'))).toBe(false)
      expect(await storage.rollouts.update(record('r1', 'checkout', { version: 2 }), 1)).toBe(true)
      expect(await storage.rollouts.update(record('r1', 'checkout', { version: 2, updatedAt: 9 }), 1)).toBe(false)
      expect(await storage.rollouts.delete('r1', 1)).toBe(false)
      expect((await storage.rollouts.getById('r1'))?.updatedAt).toBe(1)
    })

    it('knows who is due, and when the next one is', async () => {
      await storage.rollouts.insert(record('r1', 'a', { wakeAt: 300 }))
      await storage.rollouts.insert(record('r2', 'b', { wakeAt: 100 }))
      await storage.rollouts.insert(record('r3', 'c'))
      expect(await storage.rollouts.nextWakeAt()).toBe(100)
      expect((await storage.rollouts.due(300, 10)).map(({ id }) => id)).toEqual(['r2', 'r1'])
      expect((await storage.rollouts.due(300, 1)).map(({ id }) => id)).toEqual(['r2'])
      await storage.rollouts.setWake('r2', undefined)
      expect(await storage.rollouts.nextWakeAt()).toBe(300)
      expect((await storage.rollouts.getById('r2'))?.version).toBe(1)
    })

    it('deletes a rollout with everything that is its own', async () => {
      await storage.rollouts.insert(record('r1', 'checkout'))
      await storage.evidence.addOutcomes(delta())
      await storage.evidence.expose(
        { rolloutId: 'r1', runEpoch: 1, epoch: 1, tick: 1, unit: unit(1), variant: 'canary', stratum: 'split', at: 1 },
        { conversions: ['m'] },
      )
      await storage.judge.put({ rolloutId: 'r1', state: { judge: 'x' }, foldedTick: 1 })
      await storage.history.append({
        id: 'h1',
        rolloutId: 'r1',
        at: 1,
        actor: person,
        event: 'start',
        summary: 's',
        from: { phase: 'draft' },
        to: { phase: 'running' },
      })
      expect(await storage.rollouts.delete('r1', 1)).toBe(true)
      await all((limit) => storage.retention.dropDeleted(limit), 100)
      expect(await storage.evidence.totals('r1', 0)).toEqual([])
      expect(await storage.evidence.buckets('r1', 0)).toEqual([])
      expect(await storage.judge.get('r1')).toBeUndefined()
      expect(await storage.history.list('r1', { limit: 10 })).toEqual([])
    })

    it('keeps what an environment asks of pages', async () => {
      expect(await storage.environments.get('production')).not.toHaveProperty('pageSecret')
      expect(await storage.environments.setPages('production', { pageSecret: 'secret' })).toBe(true)
      expect(await storage.environments.setPages('production', { userHash: 'required' })).toBe(true)
      const pages = { pageSecret: 'secret', userHash: 'required' }
      expect(await storage.environments.get('production')).toMatchObject(pages)
      expect(await storage.environments.list()).toMatchObject([pages])
      expect(await storage.environments.setPages('nowhere', { userHash: 'off' })).toBe(false)
    })

    it('finds keys by their hash, and revokes each once', async () => {
      const key = {
        id: 'k1',
        environment: 'production',
        kind: 'srv',
        name: 'n',
        hash: 'abc',
        hint: 'srv_',
        createdAt: 1,
      } as const
      await storage.keys.insert(key)
      expect(await storage.keys.findByHash('abc')).toEqual(key)
      await storage.keys.touch('k1', 7)
      expect(await storage.keys.revoke('k1', 8)).toBe(true)
      expect(await storage.keys.revoke('k1', 9)).toBe(false)
      expect(await storage.keys.list('production')).toEqual([{ ...key, lastUsedAt: 7, revokedAt: 8 }])
      const web = { ...key, id: 'k2', kind: 'web', hash: 'def', origins: ['https://shop.example'] } as const
      await storage.keys.insert(web)
      expect(await storage.keys.findByHash('def')).toEqual(web)
    })

    it('lists members of cohorts, each once, in the order of their bytes', async () => {
      const { members } = storage
      // Beyond the basic plane: UTF-8 orders it after U+FFFD, UTF-16 before.
      const ids = ['b', 'a', '\u{1F99C}', '\uFFFD', 'a\0b']
      expect(await members.add('production', 'beta', [...ids, 'a'])).toEqual(ids)
      expect(await members.add('production', 'beta', ['b', 'c'])).toEqual(['c'])
      expect(await members.add('production', 'staff', ['a'])).toEqual(['a'])
      expect(await members.add('staging', 'beta', ['z'])).toEqual(['z'])
      const ordered = ['a', 'a\0b', 'b', 'c', '\uFFFD', '\u{1F99C}']
      expect(await members.page('production', 'beta', { limit: 100 })).toEqual(ordered)
      expect(await members.page('production', 'beta', { limit: 2 })).toEqual(ordered.slice(0, 2))
      expect(await members.page('production', 'beta', { after: 'b', limit: 2 })).toEqual(ordered.slice(3, 5))
      expect(await members.remove('production', 'beta', ['a', 'nobody', 'a'])).toEqual(['a'])
      expect(await members.page('production', 'beta', { limit: 100 })).toEqual(ordered.slice(1))
      await members.clear('production', 'beta')
      expect(await members.page('production', 'beta', { limit: 100 })).toEqual([])
      expect(await members.page('production', 'staff', { limit: 100 })).toEqual(['a'])
      expect(await members.page('staging', 'beta', { limit: 100 })).toEqual(['z'])
    })

    it('forgets members of a transaction that is rolled back', async () => {
      const failing = storage.transaction(async (stores) => {
        await stores.members.add('production', 'undone', ['a'])
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(await storage.members.page('production', 'undone', { limit: 10 })).toEqual([])
    })

    it('keeps cohorts and metrics apart, by version', async () => {
      const cohort = {
        environment: 'production',
        key: 'beta',
        definition: { key: 'beta', members: { count: 1, revision: 'r1' } },
        version: 1,
        updatedAt: 1,
      }
      expect(await storage.cohorts.insert(cohort)).toBe(true)
      expect(await storage.cohorts.insert(cohort)).toBe(false)
      expect(await storage.metrics.get('production', 'beta')).toBeUndefined()
      expect(await storage.cohorts.update({ ...cohort, version: 2 }, 1)).toBe(true)
      expect(await storage.cohorts.update({ ...cohort, version: 2 }, 1)).toBe(false)
      expect(await storage.cohorts.delete('production', 'beta', 1)).toBe(false)
      expect(await storage.cohorts.delete('production', 'beta', 2)).toBe(true)
    })

    it('lists history and audit newest first, within limits', async () => {
      for (const at of [1, 2, 3]) {
        await storage.history.append({
          id: `h${at}`,
          rolloutId: 'r1',
          at,
          actor: person,
          event: 'e',
          summary: 's',
          from: { phase: 'draft' },
          to: { phase: 'draft' },
        })
        await storage.audit.append({
          id: `a${at}`,
          at,
          actor: person,
          action: 'e',
          target: `rollout:r${at}`,
          ...(at === 3 ? {} : { environment: 'production' }),
        })
      }
      expect((await storage.history.list('r1', { limit: 2 })).map(({ id }) => id)).toEqual(['h3', 'h2'])
      expect((await storage.history.list('r1', { limit: 9, before: 3 })).map(({ id }) => id)).toEqual(['h2', 'h1'])
      // What belongs to no environment is seen from each.
      expect((await storage.audit.list({ environment: 'production', limit: 9 })).map(({ id }) => id)).toEqual([
        'a3',
        'a2',
        'a1',
      ])
      expect((await storage.audit.list({ target: 'rollout:r2', limit: 9 })).map(({ id }) => id)).toEqual(['a2'])
    })

    it('hands out the outbox in order until each item is done', async () => {
      const item = { environment: 'production', effect: { type: 'publish' }, createdAt: 1, attempts: 0 } as const
      await storage.outbox.add({ ...item, id: 'o1', nextAttemptAt: 5 })
      await storage.outbox.add({ ...item, id: 'o2', nextAttemptAt: 1, rolloutKey: 'checkout' })
      expect(await storage.outbox.nextAttemptAt()).toBe(1)
      expect((await storage.outbox.due(4, 10)).map(({ id }) => id)).toEqual(['o2'])
      expect((await storage.outbox.due(5, 10)).map(({ id }) => id)).toEqual(['o1', 'o2'])
      await storage.outbox.retry('o1', 50)
      await storage.outbox.done('o2')
      expect(await storage.outbox.due(50, 10)).toMatchObject([{ id: 'o1', attempts: 1, nextAttemptAt: 50 }])
    })

    it('remembers sequences and answers', async () => {
      const take = (seq: number, expiresAt = 10) => storage.reports.take('i', seq, expiresAt)
      expect([await take(4), await take(5, 20), await take(5), await take(4)]).toEqual([
        ...['new', 'new', 'duplicate', 'duplicate'],
      ])
      expect(await storage.reports.prune(19, 10)).toBe(0)
      expect(await take(5)).toBe('duplicate')
      expect(await storage.reports.prune(20, 10)).toBe(1)
      expect(await take(5)).toBe('new')
      for (const other of ['j', 'k', 'l']) await storage.reports.take(other, 1, 30)
      expect(await storage.reports.prune(30, 2)).toBe(2)
      expect(await storage.reports.prune(30, 2)).toBe(2)
      await storage.idempotency.put('k', { fingerprint: 'f', status: 201, body: '{}' }, 10)
      expect(await storage.idempotency.get('k')).toEqual({ fingerprint: 'f', status: 201, body: '{}' })
      await storage.idempotency.prune(11)
      expect(await storage.idempotency.get('k')).toBeUndefined()
    })

    it('takes each sequence once in whatever order they come, and none that lies too far back', async () => {
      const seq = fc.integer({ min: 1, max: 80 })
      await fc.assert(
        fc.asyncProperty(fc.array(seq, { maxLength: 60 }), fc.uuid(), async (order, instance) => {
          const seen = new Set<number>()
          let highest = 0
          const expected = order.map((next) => {
            if (seen.has(next) && next > highest - sequenceWindow) return 'duplicate'
            if (next <= highest - sequenceWindow) return 'too-old'
            seen.add(next)
            highest = Math.max(highest, next)
            return 'new'
          })
          const got = await storage.transaction(async (stores) => {
            const answers: string[] = []
            for (const next of order) answers.push(await stores.reports.take(instance, next, 1))
            return answers
          })
          expect(got).toEqual(expected)
        }),
      )
    })

    it('reads in a transaction what it has added so far, and keeps nothing of one that fails', async () => {
      const at = { fromEpoch: 1, after: 0, through: 99 }
      const seen: unknown[] = []
      const twice = storage.transaction(async (stores) => {
        for (let i = 0; i < 2; i++) {
          await stores.evidence.addOutcomes(delta({ kinds: { '5xx': [3, 1] } }))
          seen.push((await stores.evidence.ticks('r1', at))[0]?.canary)
        }
        throw new Error('no')
      })
      await expect(twice).rejects.toThrow('no')
      expect(seen).toMatchObject([
        { n: 15, failed: 2, timed: 13, over: [5], kinds: { '5xx': 1 } },
        { n: 30, failed: 4, timed: 26, over: [10], kinds: { '5xx': 2 } },
      ])
      await storage.evidence.addOutcomes(delta())
      expect(await storage.evidence.ticks('r1', at)).toMatchObject([{ canary: { n: 15 } }])
      expect((await storage.evidence.buckets('r1', 1))[0]?.canary.n[3]).toBe(10)
    })

    it('leaves nothing of a rollout that is deleted after something was added to it', async () => {
      await storage.rollouts.insert(record('r1', 'checkout'))
      await storage.transaction(async (stores) => {
        await stores.evidence.addOutcomes(delta())
        await stores.rollouts.delete('r1', 1)
      })
      await storage.evidence.addOutcomes(delta({ rolloutId: 'r2' }))
      await all((limit) => storage.retention.dropDeleted(limit), 1)
      expect(await storage.evidence.ticks('r1', { fromEpoch: 1, after: 0, through: 99 })).toEqual([])
      expect(await storage.evidence.buckets('r1', 1)).toEqual([])
    })

    it('adds old time buckets up to hours, in pieces, and what they are in sum stays', async () => {
      const ticksOf = () => storage.evidence.ticks('r1', { fromEpoch: 1, after: -1, through: 1e9 })
      const country = { country: { nl: [3, 1, 2, 1] } }
      await storage.transaction(async ({ evidence }) => {
        for (const tick of [0, 1, 7, 719, 720, 1439, 1440, 1450, 2159, 2160]) {
          await evidence.addOutcomes(delta({ tick, kinds: { '5xx': [3, 1] }, slices: country }))
          await evidence.addOutcomes(delta({ tick, variant: 'stable', stratum: 'forced' }))
          const seen = { rolloutId: 'r1', runEpoch: 1, epoch: 1, tick, variant: 'canary', stratum: 'split', at: tick }
          await evidence.expose({ ...seen, unit: unit(tick) }, { conversions: ['bought'] })
          await evidence.observe({
            ...{ rolloutId: 'r1', epoch: 1, tick, metric: 'cpu' },
            arm: 'canary',
            sum: 2,
            count: 1,
          })
        }
        // In the midst of the third hour the limits change, and so does the epoch.
        await evidence.addOutcomes(delta({ tick: 1500, thresholdsVersion: 2 }))
        await evidence.addOutcomes(delta({ tick: 1501, epoch: 2 }))
      })
      const before = await ticksOf()
      const totals = await storage.evidence.totals('r1', 1)
      const roll = (through: number) =>
        all((limit) => storage.retention.rollUp('r1', { tickMs: 5000, through, limit }), 2)
      // The second hour lacks its last bucket.
      expect((await roll(1438)).length).toBeGreaterThan(4)
      expect((await ticksOf()).map(({ tick }) => tick)).toEqual([0, 720, 1439, 1440, 1450, 1500, 1501, 2159, 2160])
      await roll(2159)
      const after = await ticksOf()
      expect(after.map(({ tick, epoch }) => [tick, epoch])).toEqual([
        ...[
          [0, 1],
          [720, 1],
          [1440, 1],
          [1440, 2],
          [2160, 1],
        ],
      ])
      const sumOf = (ticks: typeof after) =>
        ticks.reduce(
          (sum, { canary, forcedCanary, external, slices }) => ({
            n: sum.n + canary.n,
            failed: sum.failed + canary.failed,
            timeouts: sum.timeouts + (canary.kinds?.['5xx'] ?? 0),
            exposed: sum.exposed + canary.exposed,
            atRisk: sum.atRisk + (canary.conversions.bought?.atRisk ?? 0),
            forced: sum.forced + forcedCanary.n,
            cpu: sum.cpu + (external?.cpu?.canary.sum ?? 0),
            nl: sum.nl + (slices?.country?.nl?.canary.n ?? 0),
          }),
          { n: 0, failed: 0, timeouts: 0, exposed: 0, atRisk: 0, forced: 0, cpu: 0, nl: 0 },
        )
      expect(sumOf(after)).toEqual(sumOf(before))
      expect(sumOf(after)).toMatchObject({ n: 180, timeouts: 10, exposed: 10, atRisk: 10, cpu: 20, nl: 30 })
      expect(after[0]).toMatchObject({ thresholdsVersion: 1, canary: { n: 60, timed: 52, over: [20] } })
      // As within one bucket: of the newest limits alone.
      expect(after[2]).toMatchObject({ thresholdsVersion: 2, canary: { n: 60, timed: 13, over: [5] } })
      const whole = await storage.evidence.totals('r1', 1)
      expect(whole.map(({ timed: _counted, ...row }) => row)).toEqual(totals.map(({ timed: _counted, ...row }) => row))
    })

    it('leaves an hour as it is in which a decision was taken, or right after', async () => {
      for (const tick of [1, 2, 721, 722, 1441, 1442]) await storage.evidence.addOutcomes(delta({ tick }))
      const at = 2 * 3_600_000 + 20_000
      await storage.decisions.put({ historyId: 'h1', rolloutId: 'r1', at, judge: 'j', evidence: new Uint8Array() })
      await all((limit) => storage.retention.rollUp('r1', { tickMs: 5000, through: 1e6, limit }), 100)
      const ticks = await storage.evidence.ticks('r1', { fromEpoch: 1, after: -1, through: 1e9 })
      expect(ticks.map(({ tick }) => tick)).toEqual([0, 721, 722, 1441, 1442])
    })

    it('drops units, time buckets, and history with what its decisions were taken on', async () => {
      for (const rolloutId of ['r1', 'r2']) {
        await storage.evidence.addOutcomes(delta({ rolloutId }))
        for (let n = 0; n < 5; n++) {
          const seen = { rolloutId, runEpoch: 1, epoch: 1, tick: 1, variant: 'canary', stratum: 'split', at: 1 }
          await storage.evidence.expose({ ...seen, unit: unit(n) }, { conversions: ['bought'], perUnit: ['spent'] })
        }
      }
      const { retention } = storage
      expect(await all((limit) => retention.dropUnits('r1', limit), 2)).toEqual([2, 2, 1])
      expect(await all((limit) => retention.dropTicks('r1', limit), 100)).toEqual([3])
      expect(await storage.evidence.totals('r1', 0)).toEqual([])
      expect((await storage.evidence.buckets('r1', 0))[0]?.canary.n[3]).toBe(10)
      expect(await storage.evidence.totals('r2', 0)).toMatchObject([{ n: 15, exposed: 5 }])
      const entry = { rolloutId: 'r1', actor: person, event: 'advance', summary: 'x', from: { phase: 'running' } }
      for (const [id, at] of [
        ['h1', 1],
        ['h2', 2],
        ['h3', 3],
      ] as const) {
        await storage.history.append({ ...entry, id, at, to: { phase: 'running' } })
        await storage.decisions.put({ historyId: id, rolloutId: 'r1', at, judge: 'j', evidence: new Uint8Array() })
        await storage.audit.append({ id, at, actor: person, action: 'do', target: 'x' })
      }
      expect(await all((limit) => retention.dropHistory(3, limit), 1)).toEqual([2, 2])
      expect((await storage.history.list('r1', { limit: 9 })).map(({ id }) => id)).toEqual(['h3'])
      expect((await storage.audit.list({ limit: 9 })).map(({ id }) => id)).toEqual(['h3'])
      expect(await storage.decisions.get('h2')).toBeUndefined()
      expect(await storage.decisions.get('h3')).toBeDefined()
    })

    it('gives history and audit in parts that skip nothing, though many are of one millisecond', async () => {
      for (let i = 0; i < 7; i++) {
        const phases = { from: { phase: 'running' }, to: { phase: 'running' } }
        const id = `h${i}`
        await storage.history.append({ id, rolloutId: 'r1', at: 5, actor: person, event: 'e', summary: '', ...phases })
        await storage.audit.append({ id, at: 5, actor: person, action: 'do', target: 'x' })
      }
      const parts = async (
        list: (part: { limit: number; below?: number }) => Promise<readonly { id: string; sequence: number }[]>,
      ) => {
        const ids: string[] = []
        for (let part = await list({ limit: 3 }); part.length > 0; ) {
          ids.push(...part.map(({ id }) => id))
          part = await list({ limit: 3, below: part.at(-1)?.sequence ?? 0 })
        }
        return ids
      }
      const all = ['h6', 'h5', 'h4', 'h3', 'h2', 'h1', 'h0']
      expect(await parts((part) => storage.history.list('r1', part))).toEqual(all)
      expect(await parts((part) => storage.audit.list({ ...part, target: 'x' }))).toEqual(all)
      expect(await storage.history.list('r1', { limit: 9, before: 5 })).toEqual([])
    })

    it('adds outcomes up, all arms but stable as canary, forced ones apart', async () => {
      await storage.evidence.addOutcomes(delta())
      await storage.evidence.addOutcomes(delta({ variant: 'canary-b' }))
      await storage.evidence.addOutcomes(delta({ variant: 'stable', rows: [0, 7, 1, 7, 2] }))
      await storage.evidence.addOutcomes(delta({ stratum: 'forced', rows: [0, 3, 3, 0, 0] }))
      await storage.evidence.addOutcomes(delta({ variant: 'stable', stratum: 'forced' }))
      await storage.evidence.addOutcomes(delta({ tick: 11, rows: [9, 1, 0, 0, 0] }))
      const ticks = await storage.evidence.ticks('r1', { fromEpoch: 1, after: 9, through: 10 })
      expect(ticks).toMatchObject([
        {
          tick: 10,
          epoch: 1,
          thresholdsVersion: 1,
          canary: { n: 30, failed: 4, timed: 26, over: [10] },
          stable: { n: 7, failed: 1, timed: 7, over: [2] },
          forcedCanary: { n: 3, failed: 3 },
        },
      ])
      const [buckets] = await storage.evidence.buckets('r1', 1)
      expect([
        buckets?.canary.n[3],
        buckets?.canary.n[9],
        buckets?.canary.over[0]?.[200],
        buckets?.stable.failed[0],
      ]).toEqual([20, 1, 8, 1])
      expect(await storage.evidence.ticks('r1', { fromEpoch: 2, after: 0, through: 99 })).toEqual([])
    })

    it('leaves exceedances of older limits aside, but not requests and failures', async () => {
      await storage.evidence.addOutcomes(delta({ thresholdsVersion: 0, columns: 4, rows: [3, 10, 2, 10] }))
      await storage.evidence.addOutcomes(delta({ rows: [3, 4, 1, 4, 2] }))
      await storage.evidence.addOutcomes(delta({ thresholdsVersion: 0, columns: 4, rows: [3, 1, 0, 1] }))
      const [tick] = await storage.evidence.ticks('r1', { fromEpoch: 1, after: 0, through: 99 })
      expect(tick).toMatchObject({ thresholdsVersion: 1, canary: { n: 15, failed: 3, timed: 4, over: [2] } })
      const [buckets] = await storage.evidence.buckets('r1', 1)
      expect([
        buckets?.canary.n[3],
        buckets?.canary.failed[3],
        buckets?.canary.timed[3],
        buckets?.canary.over[0]?.[3],
      ]).toEqual([15, 3, 4, 2])
    })

    it('merges latency sketches by arm', async () => {
      const sketch = (ms: number): string => {
        const made = new LatencySketch()
        made.add(ms)
        return made.encode()
      }
      const both = new LatencySketch()
      both.add(5)
      both.add(50)
      await storage.evidence.addOutcomes(delta({ latency: sketch(5) }))
      await storage.evidence.addOutcomes(delta({ variant: 'canary-b', latency: sketch(50) }))
      expect(await storage.evidence.latency('r1', 1, 'canary')).toBe(both.encode())
      expect(await storage.evidence.latency('r1', 1, 'stable')).toBeUndefined()
    })

    it('counts a unit once per epoch, and its conversion once per run, in the arm of its newest exposure', async () => {
      const seen = {
        rolloutId: 'r1',
        runEpoch: 1,
        epoch: 1,
        tick: 10,
        unit: unit(7),
        variant: 'stable',
        stratum: 'split',
        at: 1000,
      }
      const bought = {
        rolloutId: 'r1',
        runEpoch: 1,
        metric: 'purchase',
        unit: unit(7),
        tick: 12,
        at: 200_000,
        windowMs: 1_000_000,
      }
      const { evidence } = storage
      expect(await evidence.convert(bought)).toBe('not-exposed')
      expect(await evidence.expose(seen, { conversions: ['purchase'] })).toBe('first')
      expect(await evidence.expose(seen, { conversions: ['purchase'] })).toBe('repeated')
      expect(await evidence.expose({ ...seen, variant: 'canary' }, { conversions: ['purchase'] })).toBe('conflict')
      expect(
        await evidence.expose({ ...seen, epoch: 2, variant: 'canary', at: 100_000 }, { conversions: ['purchase'] }),
      ).toBe('first')
      expect(await evidence.convert({ ...bought, at: -30_000 })).toBe('not-exposed')
      expect(await evidence.convert({ ...bought, at: 5_000_000 })).toBe('outside-window')
      expect(await evidence.convert(bought)).toBe('counted')
      expect(await evidence.convert(bought)).toBe('repeated')
      expect(await evidence.expose({ ...seen, epoch: 3, variant: 'canary' }, { conversions: ['purchase'] })).toBe(
        'first',
      )
      const totals = await evidence.totals('r1', 1)
      expect(
        totals.map(({ epoch, variant, exposed, conversions }) => [epoch, variant, exposed, conversions.purchase]),
      ).toEqual([
        [1, 'canary', 0, undefined],
        [1, 'stable', 1, { atRisk: 1, converted: 0 }],
        [2, 'canary', 1, { atRisk: 1, converted: 1 }],
        [3, 'canary', 1, undefined],
      ])
      // A new run begins anew.
      expect(await evidence.expose({ ...seen, epoch: 4, runEpoch: 4 }, { conversions: ['purchase'] })).toBe('first')
      expect((await evidence.totals('r1', 4))[0]?.conversions.purchase).toEqual({ atRisk: 1, converted: 0 })
    })

    it('keeps failures by kind, slices and forced outcomes apart, in ticks and in bucket tables', async () => {
      const { evidence } = storage
      const slices = { country: { NZ: [3, 2, 3, 1], '(other)': [7, 0, 7, 0] } }
      const one = { ...delta(), thresholdsVersion: 1, columns: 5, rows: [4, 10, 2, 10, 1] }
      await evidence.addOutcomes({ ...one, kinds: { '5xx': [4, 2] }, slices })
      await evidence.addOutcomes({ ...one, kinds: { '5xx': [4, 1], dependency: [4, 1] }, slices })
      await evidence.addOutcomes({ ...one, stratum: 'forced', kinds: { '4xx': [4, 2] }, slices })
      const [tick] = await evidence.ticks('r1', { fromEpoch: 0, after: -1, through: 1e9 })
      expect(tick?.canary).toMatchObject({ n: 20, failed: 4, over: [2], kinds: { '5xx': 3, dependency: 1 } })
      expect(tick?.forcedCanary).toMatchObject({ n: 10, failed: 2, timed: 10, over: [1], kinds: { '4xx': 2 } })
      expect(tick?.slices?.country?.NZ).toEqual({
        canary: { n: 6, failed: 4, timed: 6, over: [2] },
        stable: { n: 0, failed: 0, timed: 0, over: [] },
      })
      const [buckets] = await evidence.buckets('r1', 0)
      expect(buckets?.canary.kinds?.['5xx']?.[4]).toBe(3)
      expect(buckets?.forced?.n[4]).toBe(10)
      expect(buckets?.forced?.kinds?.['4xx']?.[4]).toBe(2)
    })

    it('keeps sixteen values of a slice apart, the first that come, in all epochs', async () => {
      const { evidence } = storage
      const values = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`v${i}`, [1, 0, 0]]))
      await evidence.addOutcomes({ ...delta(), columns: 4, rows: [1, 20, 0, 0], slices: { version: values } })
      const later = { version: { v19: [2, 0, 0], v3: [5, 0, 0] } }
      await evidence.addOutcomes({ ...delta(), epoch: 2, columns: 4, rows: [1, 7, 0, 0], slices: later })
      const [first, second] = await evidence.ticks('r1', { fromEpoch: 0, after: -1, through: 1e9 })
      expect(Object.keys(first?.slices?.version ?? {})).toHaveLength(17)
      expect(first?.slices?.version?.['(other)']?.canary.n).toBe(4)
      expect(second?.slices?.version?.v3?.canary.n).toBe(5)
      expect(second?.slices?.version?.['(other)']?.canary.n).toBe(2)
    })

    it('adds values up by bucket of units, each unit to its cap, where its newest exposure is', async () => {
      const { evidence } = storage
      const seen = { rolloutId: 'r1', runEpoch: 1, epoch: 1, tick: 1, stratum: 'split', at: 1000 }
      const metrics = { perUnit: ['revenue'], perEvent: ['order'], slice: { country: 'NZ', sdk: 'node@1' } }
      for (let i = 0; i < 3; i++) {
        await evidence.expose({ ...seen, unit: unit(i), variant: i === 0 ? 'canary' : 'stable' }, metrics)
      }
      const bought = { rolloutId: 'r1', runEpoch: 1, at: 2000, windowMs: 10_000, metric: 'revenue', cap: 100, d: 0 }
      expect(await evidence.addValue({ ...bought, unit: unit(9), y: 5 })).toBe('not-exposed')
      expect(await evidence.addValue({ ...bought, unit: unit(0), y: 70 })).toBe('counted')
      expect(await evidence.addValue({ ...bought, unit: unit(0), y: 70 })).toBe('counted')
      expect(await evidence.addValue({ ...bought, unit: unit(0), y: -60 })).toBe('counted')
      expect(await evidence.addValue({ ...bought, unit: unit(1), y: 7, at: 50_000 })).toBe('outside-window')
      expect(await evidence.addValue({ ...bought, unit: unit(1), metric: 'order', y: 30, d: 1 })).toBe('counted')
      const [buckets] = await evidence.buckets('r1', 1)
      const total = (values: Float64Array | undefined): number =>
        [...(values ?? [])].reduce((sum, value) => sum + value, 0)
      const { revenue, order } = buckets?.values ?? {}
      expect(revenue?.canary).toMatchObject({ units: 1, contributing: 1, squares: 80 * 80 })
      expect([total(revenue?.canary.y), total(revenue?.canary.d), total(revenue?.stable.d)]).toEqual([80, 1, 2])
      expect([total(order?.stable.y), total(order?.stable.d), order?.stable.units]).toEqual([30, 1, 2])
      expect(await evidence.exposedBy('r1', 1)).toEqual({
        country: { NZ: { canary: 1, stable: 2 } },
        sdk: { 'node@1': { canary: 1, stable: 2 } },
      })
    })

    it('adds observations of external metrics up by tick and arm', async () => {
      const seen = { rolloutId: 'r1', epoch: 1, tick: 5, metric: 'queue', count: 1 }
      await storage.evidence.observe({ ...seen, arm: 'canary', sum: 3.5 })
      await storage.evidence.observe({ ...seen, arm: 'canary', sum: 1.5 })
      await storage.evidence.observe({ ...seen, arm: 'stable', sum: 2 })
      const [tick] = await storage.evidence.ticks('r1', { fromEpoch: 1, after: 4, through: 5 })
      expect(tick?.external).toEqual({ queue: { canary: { sum: 5, count: 2 }, stable: { sum: 2, count: 1 } } })
    })

    it('keeps the evidence of a decision as it was given', async () => {
      const record = { historyId: 'h1', rolloutId: 'r1', at: 1, judge: 'pipit-2', evidence: Uint8Array.of(0, 255, 7) }
      await storage.decisions.put(record)
      const found = await storage.decisions.get('h1')
      expect({ ...found, evidence: [...(found?.evidence ?? [])] }).toEqual({ ...record, evidence: [0, 255, 7] })
      expect(await storage.decisions.get('h2')).toBeUndefined()
    })

    it('lets events wait for their exposure, and takes each id once', async () => {
      const { evidence } = storage
      const event = { environment: 'production', event: 'purchase', unit: unit(1), at: 5, expiresAt: 100 }
      expect(await evidence.hasPending('production')).toBe(false)
      expect(await evidence.addPending(event)).toBe(true)
      expect(await evidence.hasPending('production')).toBe(true)
      expect(await evidence.takePending('production', unit(2))).toEqual([])
      expect(await evidence.takePending('production', unit(1))).toEqual([event])
      expect(await evidence.takePending('production', unit(1))).toEqual([])
      await evidence.addPending(event)
      await evidence.prunePending(100)
      expect(await evidence.hasPending('production')).toBe(false)
      expect(await evidence.claimEvent('production', 'order-1', 1)).toBe(true)
      expect(await evidence.claimEvent('production', 'order-1', 2)).toBe(false)
      expect(await evidence.claimEvent('staging', 'order-1', 2)).toBe(true)
      expect(await evidence.claimEvent('staging', 'order-2', 3)).toBe(true)
      expect(await evidence.pruneEventKeys(3, 1)).toBe(1)
      expect(await evidence.pruneEventKeys(3, 10)).toBe(1)
      expect(await evidence.claimEvent('production', 'order-1', 4)).toBe(true)
      expect(await evidence.claimEvent('staging', 'order-2', 4)).toBe(false)
    })

    it('lets so many events wait and no more, and counts none that were rolled back', async () => {
      const limit = 100_000
      const event = (n: number) => ({
        environment: 'production',
        event: 'purchase',
        unit: unit(n),
        at: 5,
        expiresAt: 100,
      })
      const fill = (fail: boolean): Promise<boolean> =>
        storage.transaction(async ({ evidence }) => {
          for (let n = 0; n < limit; n++) await evidence.addPending(event(n))
          const more = await evidence.addPending(event(limit))
          if (fail) throw new Error('no')
          return more
        })
      await expect(fill(true)).rejects.toThrow('no')
      expect(await storage.evidence.hasPending('production')).toBe(false)
      expect(await fill(false)).toBe(false)
      expect(await storage.evidence.addPending({ ...event(1), environment: 'staging' })).toBe(true)
      expect(await storage.evidence.takePending('production', unit(7))).toHaveLength(1)
      expect(await storage.evidence.addPending(event(limit))).toBe(true)
      expect(await storage.evidence.addPending(event(limit))).toBe(false)
      await storage.evidence.prunePending(100)
      expect(await storage.evidence.addPending(event(limit))).toBe(true)
    })

    it('keeps the memory of the judge, without the memory inside its last judgement', async () => {
      await storage.judge.put({ rolloutId: 'r1', state: { judge: 'pipit-2', planned: 3 }, foldedTick: 9 })
      expect(await storage.judge.get('r1')).toEqual({
        rolloutId: 'r1',
        state: { judge: 'pipit-2', planned: 3 },
        foldedTick: 9,
      })
      await storage.judge.delete('r1')
      expect(await storage.judge.get('r1')).toBeUndefined()
    })

    it('says that it can be written', async () => {
      await expect(storage.check()).resolves.toBeUndefined()
    })
  })
}
