import type { Outcome } from '@pipit/shared/client'
import type { Decision } from '@pipit/shared/decide'
import { hashSeeds } from '@pipit/shared/hash'
import type { EventItem, ExposureCell, OutcomeCell, PageRollout } from '@pipit/shared/protocol'
import { hashText } from './hash-text.ts'
import type { Page } from './page.ts'

/** All of it in one report fits into a beacon, which may have 64 KiB, unless events are long. */
const most = { cells: 100, exposures: 100, events: 500, queue: 8 } as const
/** As `pageUnit` of the protocol, of which only types come into the page. */
const units = ['0000000000000000'] as const
const noEvidence = /^(not-ready|unknown|phase|no-unit|holdback|pre|layer)/
const failureKind = /^([45]xx|application|dependency)$/

type Kind = 'outcomes' | 'exposures' | 'events' | 'invalid'
type Cell = Omit<OutcomeCell, 'buckets' | 'kinds'> & {
  readonly buckets: [number, number, number, number, ...number[]]
  readonly kinds: { [kind: string]: [number, number] }
  slices?: OutcomeCell['slices']
}
type Tracked = Omit<EventItem, 'ageMs'> & { readonly at: number }

/** A report, unchanged until it is acknowledged. */
export interface Sealed {
  /** As whom it must be sent. */
  readonly who: unknown
  readonly report: {
    readonly seq: number
    readonly outcomes: readonly Cell[]
    readonly exposures: readonly ExposureCell[]
    readonly events: readonly object[]
  }
  sentAt: number
}

/** What the page has to tell: added up in place, then sealed under a sequence. */
export interface Reports {
  readonly dropped: { readonly [kind in Kind]: number }
  /** In the order of their sequences. */
  readonly queue: Sealed[]
  pending(): {
    readonly reports: number
    readonly outcomes: number
    readonly exposures: number
    readonly events: number
  }
  drop(kind: Kind, n?: number): void
  outcome(decision: Decision, outcome: Outcome, rollout: PageRollout | undefined): void
  /** Tells of a decision once for each rollout and epoch. */
  expose(decision: Decision): void
  track(event: string, options: { readonly value?: number; readonly id?: string }): void
  /** Makes a report of what is there. Until it is known which rollouts there are, events wait. */
  seal(who: unknown, rollouts: readonly PageRollout[] | undefined): void
  /** The report is over: taken, or refused for good. */
  over(seq: unknown, refused?: boolean): void
  /** Another user: nobody was told of yet. */
  forget(): void
}

/** Without an answer for so long a report is sent again, unchanged. */
export const resendMs = 10_000

export function createReports(page: Page): Reports {
  const dropped = { outcomes: 0, exposures: 0, events: 0, invalid: 0 }
  const cells = new Map<string, Cell>()
  const exposed = new Set<string>()
  const queue: Sealed[] = []
  let lost: { [kind: string]: number } = {}
  let exposures: ExposureCell[] = []
  let events: Tracked[] = []
  let seq = 0

  function drop(kind: Kind, n = 1): void {
    dropped[kind] += n
    if (n) lost[kind] = (lost[kind] ?? 0) + n
  }

  function dropAll({ outcomes, exposures: seen, events: happened }: Sealed['report']): void {
    for (const { buckets } of outcomes) drop('outcomes', buckets[1])
    drop('exposures', seen.length)
    drop('events', happened.length)
  }

  const headOf = ({ rollout, epoch, variant, reason, rule, randomised }: Decision) => ({
    rollout,
    epoch,
    variant,
    stratum: !randomised ? 'forced' : reason === 'split' ? reason : `rule:${rule}`,
  })

  return {
    dropped,
    queue,
    drop,
    pending: () => ({
      reports: queue.length,
      outcomes: cells.size,
      exposures: exposures.length,
      events: events.length,
    }),
    outcome(decision, { ok, latencyMs = -1, kind = '' }, rollout) {
      const { reason, slice, unit } = decision
      if (typeof ok !== 'boolean') return drop('invalid')
      if (noEvidence.test(reason)) return
      const { version: thresholds = 0, ms = [] } = rollout?.thresholds ?? {}
      // Without a unit each outcome stands for itself: any bucket will do.
      const bucket = unit ? hashText(rollout?.salt + unit, hashSeeds.user) >>> 24 : (page.Math.random() * 256) | 0
      const head = { ...headOf(decision), thresholds, columns: 4 + ms.length }
      const place = JSON.stringify([head, bucket, slice])
      const cell: Cell = cells.get(place) ?? { ...head, buckets: [bucket, 0, 0, 0, ...ms.map(() => 0)], kinds: {} }
      if (cells.size >= most.cells && !cells.has(place)) return drop('outcomes')
      cells.set(place, cell)
      addTo(cell.buckets, ok, latencyMs, ms)
      if (!ok && failureKind.test(kind)) {
        cell.kinds[kind] ??= [bucket, 0]
        cell.kinds[kind][1]++
      }
      const row = cell.buckets.slice(1)
      if (slice)
        cell.slices = Object.fromEntries(Object.entries(slice).map(([name, value]) => [name, { [value]: row }]))
    },
    expose(decision) {
      const { rollout, epoch, reason, slice, unit } = decision
      const key = `${rollout} ${epoch}`
      if (noEvidence.test(reason) || !unit || exposed.has(key)) return
      if (exposures.length >= most.exposures) return drop('exposures')
      exposed.add(key)
      exposures.push({ ...headOf(decision), reason, units, ...(slice && { slice }) })
    },
    track(event, { value, id }) {
      const isName = (text: unknown): boolean => typeof text === 'string' && /^.{1,128}$/s.test(text)
      if (!isName(event) || !isName(id ?? event) || typeof (value ?? 0) !== 'number' || !(Math.abs(value ?? 0) <= 1e15))
        return drop('invalid')
      if (events.length >= most.events) return drop('events')
      events.push({ event, unit: units[0], value, id, at: page.performance.now() } as Tracked)
    },
    seal(who, rollouts) {
      const happened = rollouts ? events.filter(({ event }) => rollouts.some((one) => one.events?.includes(event))) : []
      if (rollouts) events = []
      if (cells.size + exposures.length + happened.length + Object.keys(lost).length === 0) return
      const report = {
        type: 'report',
        seq: ++seq,
        outcomes: [...cells.values()],
        exposures,
        events: happened.map(({ at, ...event }) => ({ ...event, ageMs: page.performance.now() - at })),
        dropped: lost,
      }
      cells.clear()
      exposures = []
      lost = {}
      if (queue.length >= most.queue) dropAll((queue.shift() as Sealed).report)
      queue.push({ who, report, sentAt: -1e9 })
    },
    over(of, refused) {
      const i = queue.findIndex(({ report }) => report.seq === of)
      if (i < 0) return
      const [{ report }] = queue.splice(i, 1) as [Sealed]
      if (refused) dropAll(report)
    },
    forget: () => exposed.clear(),
  }
}

/** Adds an outcome to a row `[bucket, n, failed, timed, over…]`. */
function addTo(row: Cell['buckets'], ok: boolean, latencyMs: number, thresholds: readonly number[]): void {
  row[1]++
  if (!ok) row[2]++
  if (!(latencyMs >= 0 && latencyMs < 1 / 0)) return
  row[3]++
  thresholds.forEach((limit, i) => {
    if (latencyMs > limit) (row[4 + i] as number)++
  })
}
