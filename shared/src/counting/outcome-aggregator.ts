import type { Random } from '../clock/index.ts'
import type { CompiledRollout, Decision } from '../decide/index.ts'
import { hashSeeds, prepareSalt, userBucket } from '../hash/index.ts'
import { type OutcomeCell, type OutcomeKind, outcomeKinds, wireLimits } from '../protocol/index.ts'
import { LatencySketch } from '../sketch/index.ts'
import { buckets, type Cell, encodeCell, type Tally } from './cell.ts'

/** Cells kept at most; each takes some 16 KiB whatever the traffic. */
const maxCells = 256
/** Rollouts whose salts are kept. */
const maxRollouts = 10_000

/** A use of a decision, checked. */
export interface RecordedOutcome {
  readonly ok: boolean
  readonly latencyMs?: number | undefined
  /** Counts where it is not ok. */
  readonly kind?: OutcomeKind | undefined
}

const otherValue = '(other)'

/** What is counted of a decision. */
export interface CountedDecision
  extends Pick<Decision, 'rollout' | 'epoch' | 'variant' | 'randomised' | 'unit' | 'slice'> {
  readonly reason: string
  readonly rule?: string | undefined
}

/** Adds outcomes up in place: an hour without the server costs no more than a second. */
export interface OutcomeAggregator {
  add(decision: CountedDecision, rollout: CompiledRollout | undefined, outcome: RecordedOutcome): void
  /** Takes out what was added, at most `limit` cells. Lets go of those that nothing was added to since the time before. */
  take(limit: number): OutcomeCell[]
  /** How many have outcomes. */
  readonly cells: number
  /** Outcomes that were in cells that had to make room; read once. */
  takeDropped(): number
}

/** Reasons of decisions that say nothing about a variant: their outcomes are not evidence. */
const noEvidence: ReadonlySet<string> = new Set([
  'not-ready',
  'unknown-rollout',
  'phase',
  'no-unit',
  'holdback',
  'prerequisite',
  'layer',
])

/** Whether outcomes of decisions made for this reason are counted. */
export const isEvidence = (reason: string): boolean => reason === 'split' || !noEvidence.has(reason)

/** Which comparison an outcome or exposure belongs to. */
export function stratumOf(decision: Pick<CountedDecision, 'reason' | 'rule' | 'randomised'>): string {
  if (!decision.randomised) return 'forced'
  return decision.reason === 'split' ? 'split' : `rule:${decision.rule ?? ''}`
}

/**
 * @param random Gives outcomes without a unit a bucket; without it they take turns, which suits an aggregator that lives on.
 */
export function createOutcomeAggregator(random?: Random): OutcomeAggregator {
  /** In the order in which they were made or last taken. */
  let cells: Cell[] = []
  let filled = 0
  const tallies = new Map<string, Tally>()
  /** Of the outcome before: most processes have one rollout that matters, and its look-up would cost as much as the hash. */
  let last: Tally | undefined
  let dropped = 0

  function tallyOf(rollout: string, salt: string): Tally {
    let tally = tallies.get(rollout)
    if (tally === undefined) {
      if (tallies.size >= maxRollouts) forgetIdle()
      tally = { rollout, salt, prepared: prepareSalt(salt, hashSeeds.user), cells: [] }
      tallies.set(rollout, tally)
    } else if (tally.salt !== salt) {
      tally.salt = salt
      tally.prepared = prepareSalt(salt, hashSeeds.user)
    }
    last = tally
    return tally
  }

  function forgetIdle(): void {
    for (const [rollout, tally] of tallies) if (tally.cells.length === 0) tallies.delete(rollout)
  }

  function make(
    tally: Tally,
    decision: CountedDecision,
    stratum: string,
    thresholds: { readonly version: number; readonly ms: readonly number[] },
  ): Cell {
    if (cells.length >= maxCells) makeRoom()
    const columns = 4 + thresholds.ms.length
    const cell: Cell = {
      tally,
      rollout: decision.rollout,
      epoch: decision.epoch,
      variant: decision.variant,
      stratum,
      thresholds: thresholds.version,
      limits: thresholds.ms,
      columns,
      table: new Uint32Array(buckets * (columns - 1)),
      latency: new LatencySketch(),
      kinds: undefined,
      slices: new Map(),
      outcomes: 0,
    }
    cells.push(cell)
    tally.cells.push(cell)
    return cell
  }

  /** One that is empty goes, or else the oldest with what is in it. */
  function makeRoom(): void {
    const cell = cells.find(({ outcomes }) => outcomes === 0) ?? (cells[0] as Cell)
    dropped += cell.outcomes
    if (cell.outcomes > 0) filled--
    cells = cells.filter((other) => other !== cell)
    letGo(cell)
  }

  const anyBucket = ({ outcomes }: Cell): number =>
    random === undefined ? outcomes % buckets : Math.floor(random() * buckets)

  return {
    add(decision, rollout, outcome) {
      const thresholds = rollout?.source.thresholds ?? noThresholds
      const salt = rollout?.source.salt ?? ''
      const tally =
        last !== undefined && last.rollout === decision.rollout && last.salt === salt
          ? last
          : tallyOf(decision.rollout, salt)
      const stratum = stratumOf(decision)
      const cell =
        find(tally.cells, decision, stratum, thresholds.version) ?? make(tally, decision, stratum, thresholds)
      const { unit } = decision
      // Without a unit, as in a rollout that deals out requests, each outcome stands for itself.
      const bucket = unit === undefined ? anyBucket(cell) : userBucket(tally.prepared, unit)
      if (cell.outcomes++ === 0) filled++
      const { latencyMs } = outcome
      addRow(cell.table, bucket * (cell.columns - 1), cell.limits, outcome.ok, latencyMs)
      if (latencyMs !== undefined) cell.latency.add(latencyMs)
      if (!outcome.ok && outcome.kind !== undefined) addKind(cell, outcome.kind, bucket)
      if (decision.slice !== undefined) addSlices(cell, decision.slice, outcome)
    },
    take(limit) {
      const taken: Cell[] = []
      const kept: Cell[] = []
      for (const cell of cells) {
        if (cell.outcomes === 0) letGo(cell)
        else (taken.length < limit ? taken : kept).push(cell)
      }
      const told = taken.map(encodeCell)
      // They stay with their arrays, which the next outcomes need again, and behind those whose turn was not yet.
      for (const cell of taken) clear(cell)
      cells = [...kept, ...taken]
      filled = kept.length
      return told
    },
    get cells() {
      return filled
    },
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}

const noThresholds = { version: 0, ms: [] }

function find(cells: readonly Cell[], decision: CountedDecision, stratum: string, version: number): Cell | undefined {
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] as Cell
    if (
      cell.variant === decision.variant &&
      cell.epoch === decision.epoch &&
      cell.stratum === stratum &&
      cell.thresholds === version
    )
      return cell
  }
  return undefined
}

function letGo(cell: Cell): void {
  cell.tally.cells = cell.tally.cells.filter((other) => other !== cell)
}

function clear(cell: Cell): void {
  cell.table.fill(0)
  cell.latency.clear()
  cell.kinds = undefined
  cell.slices.clear()
  cell.outcomes = 0
}

/** Adds one outcome to the row `[n, failed, timed, over…]` at a place of a table. */
function addRow(
  table: Uint32Array,
  at: number,
  limits: readonly number[],
  ok: boolean,
  latencyMs: number | undefined,
): void {
  table[at] = (table[at] as number) + 1
  if (!ok) table[at + 1] = (table[at + 1] as number) + 1
  if (latencyMs === undefined) return
  table[at + 2] = (table[at + 2] as number) + 1
  for (let i = 0; i < limits.length; i++) {
    if (latencyMs > (limits[i] as number)) table[at + 3 + i] = (table[at + 3 + i] as number) + 1
  }
}

function addKind(cell: Cell, kind: OutcomeKind, bucket: number): void {
  cell.kinds ??= new Uint32Array(outcomeKinds.length * buckets)
  const at = outcomeKinds.indexOf(kind) * buckets + bucket
  cell.kinds[at] = (cell.kinds[at] as number) + 1
}

/** The first values of an attribute have sums of their own, all others one together: memory does not grow with what users bring. */
function addSlices(cell: Cell, slice: NonNullable<Decision['slice']>, outcome: RecordedOutcome): void {
  for (const attribute of Object.keys(slice)) {
    let values = cell.slices.get(attribute)
    if (values === undefined) {
      values = new Map()
      cell.slices.set(attribute, values)
    }
    const given = slice[attribute] as string
    const value = values.has(given) || values.size < wireLimits.sliceValues ? given : otherValue
    let row = values.get(value)
    if (row === undefined) {
      row = new Uint32Array(cell.columns - 1)
      values.set(value, row)
    }
    addRow(row, 0, cell.limits, outcome.ok, outcome.latencyMs)
  }
}
