import type { Random } from '../clock/index.ts'
import type { CompiledRollout, Decision } from '../decide/index.ts'
import { hashSeeds, prepareSalt, type SaltedHash, userBucket } from '../hash/index.ts'
import { type OutcomeCell, type OutcomeKind, outcomeKinds, wireLimits } from '../protocol/index.ts'
import { LatencySketch } from '../sketch/index.ts'

/** Cells kept at most; each takes about 25 KiB whatever the traffic. */
const maxCells = 256
const buckets = 256

interface Cell {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly thresholds: number
  readonly limits: readonly number[]
  readonly columns: number
  /** By bucket: n, failed, timed, over… */
  readonly table: Float64Array
  readonly latency: LatencySketch
  /** Failures by kind and bucket; made with the first that has a kind. */
  kinds: Float64Array | undefined
  /** By attribute and value: sums of n, failed, timed, over… */
  readonly slices: Map<string, Map<string, Float64Array>>
  outcomes: number
}

/** A use of a decision, checked. */
export interface RecordedOutcome {
  readonly ok: boolean
  readonly latencyMs: number | undefined
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
  /** Takes out what was added, at most `limit` cells. */
  take(limit: number): OutcomeCell[]
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
export const isEvidence = (reason: string): boolean => !noEvidence.has(reason)

/** Which comparison an outcome or exposure belongs to. */
export function stratumOf(decision: Pick<CountedDecision, 'reason' | 'rule' | 'randomised'>): string {
  if (!decision.randomised) return 'forced'
  return decision.reason === 'split' ? 'split' : `rule:${decision.rule ?? ''}`
}

/**
 * @param random Gives outcomes without a unit a bucket; without it they take turns, which suits an aggregator that lives on.
 */
export function createOutcomeAggregator(random?: Random): OutcomeAggregator {
  const cells: Cell[] = []
  const salts = new Map<string, { readonly salt: string; readonly prepared: SaltedHash }>()
  let dropped = 0

  function find(decision: CountedDecision, stratum: string, version: number): Cell | undefined {
    for (const cell of cells) {
      if (
        cell.rollout === decision.rollout &&
        cell.epoch === decision.epoch &&
        cell.variant === decision.variant &&
        cell.stratum === stratum &&
        cell.thresholds === version
      )
        return cell
    }
    return undefined
  }

  function make(
    decision: CountedDecision,
    stratum: string,
    thresholds: { readonly version: number; readonly ms: readonly number[] },
  ): Cell {
    if (cells.length >= maxCells) dropped += cells.shift()?.outcomes ?? 0
    const columns = 4 + thresholds.ms.length
    const cell: Cell = {
      rollout: decision.rollout,
      epoch: decision.epoch,
      variant: decision.variant,
      stratum,
      thresholds: thresholds.version,
      limits: thresholds.ms,
      columns,
      table: new Float64Array(buckets * (columns - 1)),
      latency: new LatencySketch(),
      kinds: undefined,
      slices: new Map(),
      outcomes: 0,
    }
    cells.push(cell)
    return cell
  }

  function bucketOfUnit(rollout: string, unit: string, salt: string): number {
    let known = salts.get(rollout)
    if (known === undefined || known.salt !== salt) {
      if (salts.size >= 10_000) salts.clear()
      known = { salt, prepared: prepareSalt(salt, hashSeeds.user) }
      salts.set(rollout, known)
    }
    return userBucket(known.prepared, unit)
  }

  const anyBucket = ({ outcomes }: Cell): number =>
    random === undefined ? outcomes % buckets : Math.floor(random() * buckets)

  return {
    add(decision, rollout, outcome) {
      const thresholds = rollout?.source.thresholds ?? { version: 0, ms: [] }
      const stratum = stratumOf(decision)
      const cell = find(decision, stratum, thresholds.version) ?? make(decision, stratum, thresholds)
      const { unit } = decision
      // Without a unit, as in a rollout that deals out requests, each outcome stands for itself.
      const bucket =
        unit === undefined ? anyBucket(cell) : bucketOfUnit(decision.rollout, unit, rollout?.source.salt ?? '')
      cell.outcomes++
      addRow(cell.table, bucket * (cell.columns - 1), cell.limits, outcome)
      if (outcome.latencyMs !== undefined) cell.latency.add(outcome.latencyMs)
      if (outcome.kind !== undefined) addKind(cell, outcome.kind, bucket)
      if (decision.slice !== undefined) addSlices(cell, decision.slice, outcome)
    },
    take(limit) {
      const taken = cells.splice(0, limit)
      return taken.map(encodeCell)
    },
    get cells() {
      return cells.length
    },
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}

/** Adds one outcome to the row `[n, failed, timed, over…]` at a place of a table. */
function addRow(table: Float64Array, at: number, limits: readonly number[], { ok, latencyMs }: RecordedOutcome): void {
  table[at] = (table[at] as number) + 1
  if (!ok) table[at + 1] = (table[at + 1] as number) + 1
  if (latencyMs === undefined) return
  table[at + 2] = (table[at + 2] as number) + 1
  for (let i = 0; i < limits.length; i++) {
    if (latencyMs > (limits[i] as number)) table[at + 3 + i] = (table[at + 3 + i] as number) + 1
  }
}

function addKind(cell: Cell, kind: OutcomeKind, bucket: number): void {
  cell.kinds ??= new Float64Array(outcomeKinds.length * buckets)
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
      row = new Float64Array(cell.columns - 1)
      values.set(value, row)
    }
    addRow(row, 0, cell.limits, outcome)
  }
}

function encodeKinds(kinds: Float64Array): NonNullable<OutcomeCell['kinds']> {
  const found: { [K in OutcomeKind]?: number[] } = {}
  outcomeKinds.forEach((kind, k) => {
    const pairs: number[] = []
    for (let bucket = 0; bucket < buckets; bucket++) {
      const failed = kinds[k * buckets + bucket] as number
      if (failed > 0) pairs.push(bucket, failed)
    }
    if (pairs.length > 0) found[kind] = pairs
  })
  return found
}

const encodeSlices = (slices: Cell['slices']): NonNullable<OutcomeCell['slices']> =>
  Object.fromEntries(
    [...slices].map(([attribute, values]) => [
      attribute,
      Object.fromEntries([...values].map(([value, sums]) => [value, [...sums]])),
    ]),
  )

function encodeCell(cell: Cell): OutcomeCell {
  const width = cell.columns - 1
  const rows: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const at = bucket * width
    if (cell.table[at] === 0) continue
    rows.push(bucket)
    for (let i = 0; i < width; i++) rows.push(cell.table[at + i] as number)
  }
  const latency = cell.latency.encode()
  return {
    rollout: cell.rollout,
    epoch: cell.epoch,
    variant: cell.variant,
    stratum: cell.stratum,
    thresholds: cell.thresholds,
    columns: cell.columns,
    buckets: rows,
    ...(latency === '' ? {} : { latency }),
    ...(cell.kinds === undefined ? {} : { kinds: encodeKinds(cell.kinds) }),
    ...(cell.slices.size === 0 ? {} : { slices: encodeSlices(cell.slices) }),
  }
}
