import type { Outcome } from '@pipit/shared/client'
import type { Decision } from '@pipit/shared/decide'
import type { DroppedCounts, PageReport } from '@pipit/shared/protocol'
import type { Who } from './identify.ts'

/** Characters of a report: of ASCII, two and users of some 3 KB fit into a request that outlives its page, which may have 64 KiB. */
const mostText = 20_000
/** Reports that wait at most. */
const mostQueued = 20
/** not-ready, unknown-rollout, phase, prerequisite, layer, holdback, no-unit: nobody was given a variant to compare. */
const noEvidence = /^([nupl]|ho)/

/** What the page has to tell: kept as it happened, then sealed under a sequence until it is acknowledged. */
export interface Reports {
  /** Those that wait for their acknowledgement, in the order of their sequences. */
  readonly queue: readonly PageReport[]
  /** Reports that the server has not acknowledged, with the one that is being filled. */
  pending(): number
  /** How many things were dropped so far. */
  dropped(): number
  drop(kind: keyof DroppedCounts): void
  outcome(decision: Decision, outcome: Outcome): void
  /** Whether the decision counts as an exposure. */
  expose(decision: Decision): boolean
  track(event: string, options: { readonly value?: number; readonly id?: string } | undefined): void
  /** Makes a report of what is there, about this person. */
  seal(who: Who): void
  /** A report is over: taken, or refused for good. The server answers in the order in which it was told. */
  over(seq: unknown, refused: unknown): void
}

/** What the server cannot know of a decision. */
const headOf = ({ payload, unit, version, stage, ...head }: Decision): object => head

export function createReports(now: () => number): Reports {
  const queue: PageReport[] = []
  let items: { [item: string]: number[] } = {}
  let lost: { [kind: string]: number } = {}
  let size = 0
  let dropped = 0
  let seq = 0

  function drop(kind: keyof DroppedCounts): void {
    dropped++
    lost[kind] = (lost[kind] ?? 0) + 1
  }

  function keep(kind: keyof DroppedCounts, item: object, ms = 0): void {
    const text = JSON.stringify(item)
    size += items[text] ? 9 : text.length
    if (size > mostText) return drop(kind)
    items[text] ??= []
    items[text].push(ms)
  }

  return {
    queue,
    pending: () => queue.length + +!!size,
    dropped: () => dropped,
    drop,
    outcome(decision, { ok, latencyMs, kind }) {
      if (!noEvidence.test(decision.reason))
        keep('outcomes', { ...headOf(decision), ok, kind }, Math.round((latencyMs as number) * 10) / 10)
    },
    expose(decision) {
      const counts = !noEvidence.test(decision.reason)
      if (counts) keep('exposures', headOf(decision))
      return counts
    },
    track: (event, { value, id } = {}) => keep('events', { event, value, id, at: now() }),
    seal(who) {
      if (!size) return
      const report = { ...who.says, seq: ++seq, items, dropped: lost } as unknown as PageReport
      items = {}
      lost = {}
      size = 0
      // Only users who change and change seal more than two.
      if (queue.length < mostQueued) queue.push(report)
      else drop('reports')
    },
    over(of, refused) {
      if (queue[0]?.seq !== of) return
      queue.shift()
      if (refused) drop('reports')
    },
  }
}
