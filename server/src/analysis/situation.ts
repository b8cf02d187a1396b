import { outcomeKinds } from '@pipit/shared/protocol'
import { parseRollout } from '../rollout/index.ts'
import { type ArmTick, type EpochBuckets, type ExposedBy, type Tick, userBuckets, type ValueTable } from './evidence.ts'
import { foldTick } from './fold.ts'
import { judge } from './judge.ts'
import type { Judgement } from './judgement.ts'
import { startJudge } from './memory.ts'

/** A rollout at a moment, told in a few words: the same tick again and again (or two kinds of them), then a look. For tests. */
export interface Situation {
  readonly file?: object
  readonly weight?: number
  readonly ticks?: number
  readonly elapsedS?: number
  readonly canary?: Partial<ArmTick>
  readonly stable?: Partial<ArmTick>
  /** From this tick on, other traffic. */
  readonly later?: { readonly from: number; readonly canary?: Partial<ArmTick>; readonly stable?: Partial<ArmTick> }
  readonly forced?: Tick['forcedCanary']
  readonly slices?: Tick['slices']
  readonly external?: Tick['external']
  readonly values?: { readonly [metric: string]: { readonly canary: Drawn; readonly stable: Drawn } }
  readonly limits?: number
  readonly exposedBy?: ExposedBy
  readonly breakers?: { readonly open: number; readonly instances: number }
  readonly dismissed?: readonly string[]
  readonly approvalMissing?: boolean
  /** Seconds after the last tick at which the judge looks. */
  readonly lateS?: number
}

/** A metric of values: mean per unit, spread evenly over so many units. */
export interface Drawn {
  readonly units: number
  readonly mean: number
}

const tickMs = 5000
export const fine: ArmTick = { n: 1000, failed: 10, timed: 0, over: [], exposed: 100, conversions: {} }
export const guard = (rest: object = {}): object => ({
  metric: 'error_rate',
  worseThan: { relative: 1.5 },
  action: 'revert',
  ...rest,
})

export function lookAt(situation: Situation): Judgement {
  const weight = situation.weight ?? 50
  const cohorts = weight === 0 ? { cohorts: ['internal'] } : {}
  const parsed = parseRollout({
    key: 'checkout',
    stages: [
      { name: 'part', weight, hold: '60s', maxHold: '10m', ...cohorts },
      { name: 'full', weight: 100 },
    ],
    guards: [guard()],
    ...situation.file,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  const { definition } = parsed
  const ticks = situation.ticks ?? 24
  const drawn = Array.from({ length: ticks }, (_, tick) => tickOf(situation, tick))
  const state = drawn.reduce((memory, tick) => foldTick(definition, memory, tick), startJudge(definition))
  return judge({
    definition,
    state,
    stage: {
      ...{ epoch: 1, index: 0, weight, approvalMissing: situation.approvalMissing ?? false },
      elapsedMs: (situation.elapsedS ?? (ticks * tickMs) / 1000) * 1000,
    },
    buckets: drawn.length === 0 ? [] : [bucketsOf(situation, drawn)],
    dismissed: situation.dismissed ?? [],
    breakers: situation.breakers ?? { open: 0, instances: 2 },
    ...(situation.exposedBy === undefined ? {} : { exposedBy: situation.exposedBy }),
    now: ticks * tickMs + (situation.lateS ?? 0) * 1000,
  })
}

function tickOf({ canary, stable, later, forced, slices, external }: Situation, tick: number): Tick {
  const changed = later !== undefined && tick >= later.from
  return {
    ...{ tick, epoch: 1, stage: 0, thresholdsVersion: 1 },
    canary: { ...fine, ...canary, ...(changed ? later.canary : {}) },
    stable: { ...fine, ...stable, ...(changed ? later.stable : {}) },
    forcedCanary: forced ?? { n: 0, failed: 0, exposed: 0 },
    ...(slices === undefined ? {} : { slices }),
    ...(external === undefined ? {} : { external }),
  }
}

function bucketsOf({ values, limits = 0 }: Situation, ticks: readonly Tick[]): EpochBuckets {
  const even = (total: number): Float64Array => new Float64Array(userBuckets).fill(total / userBuckets)
  const sum = (of: (tick: Tick) => number): number => ticks.reduce((all, tick) => all + of(tick), 0)
  const table = (arm: (tick: Tick) => Tick['canary']) => ({
    n: even(sum((tick) => arm(tick).n)),
    failed: even(sum((tick) => arm(tick).failed)),
    timed: even(sum((tick) => arm(tick).timed)),
    over: Array.from({ length: limits }, (_, i) => even(sum((tick) => arm(tick).over[i] ?? 0))),
    kinds: Object.fromEntries(outcomeKinds.map((kind) => [kind, even(sum((tick) => arm(tick).kinds?.[kind] ?? 0))])),
  })
  const tables = Object.entries(values ?? {}).map(([metric, { canary, stable }]) => [
    metric,
    { canary: valuesOf(canary), stable: valuesOf(stable) },
  ])
  return {
    ...{ epoch: 1, thresholdsVersion: 1 },
    canary: table(({ canary }) => canary),
    stable: table(({ stable }) => stable),
    ...(tables.length === 0 ? {} : { values: Object.fromEntries(tables) }),
  }
}

/** Units fall evenly on the buckets; what they bring goes up and down from bucket to bucket by a quarter. */
function valuesOf({ units, mean }: Drawn): ValueTable {
  const each = units / userBuckets
  return {
    y: Float64Array.from({ length: userBuckets }, (_, b) => each * mean * (b % 2 === 0 ? 1.25 : 0.75)),
    d: new Float64Array(userBuckets).fill(each),
    ...{ units, contributing: units, squares: units * mean * mean * 1.0625 },
  }
}
