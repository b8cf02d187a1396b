import type { RolloutDefinition } from '@pipit/server/rollout'
import { slowerThan } from './latency.ts'
import { fixedRamp, gatedStage, guardedRollout, type PlanOptions } from './plans.ts'
import type { Truth } from './rivals.ts'
import type { World } from './world.ts'
import { harm, harmfulWorlds, harmlessWorlds, plain } from './worlds.ts'

/** What is simulated, and what it has to show. */
export interface Scenario {
  /**
   * `harmless` and `harmful`: a ramp that a person waves through, past the competitors; `advance`: the whole engine, which advances on
   * evidence alone; `gate`: one stage with a canary that is exactly as bad as its gate still allows; `coverage`: a ramp that nothing
   * stops, to see whether intervals hold the truth at every look.
   */
  readonly kind: 'harmless' | 'harmful' | 'advance' | 'gate' | 'coverage'
  readonly world: World
  readonly definition: () => RolloutDefinition
  /** Stages by weight and their length in ticks, for the competitors after the rollout has ended. */
  readonly ramp: { readonly weights: readonly number[]; readonly stageTicks: number }
  /** Not held to the bars, for the reason given. */
  readonly exempt?: string
  /** Least share of detections. */
  readonly detects?: number
  /** Figures of STATISTICS 13: false reverts in percent; median canary requests and their ratio to Wald's matched test. */
  readonly published?: { readonly reverted?: number; readonly median?: number; readonly ratio?: number }
}

const stageTicks = 120
const ramp = { weights: fixedRamp.weights, stageTicks }
const onRamp =
  (options: Partial<PlanOptions> = {}) =>
  () =>
    guardedRollout({ ...fixedRamp, ...options })
const oneStage = (weight: number): Pick<Scenario, 'definition' | 'ramp'> => ({
  definition: onRamp({ weights: [weight], hold: '40m', maxHold: '40m' }),
  ramp: { weights: [weight], stageTicks: 480 },
})

type Part = Partial<Omit<Scenario, 'kind' | 'world'>>

const notModelled = 'noise of instances beyond the floor of .02 is not modelled (STATISTICS 15.6)'
const coldHarm = 'cold caches of the canary alone are harm, as long as they last'
const slicedHarm = 'twice the errors in a tenth of the users is a tenth more in all'

const harmlessParts: { readonly [K in keyof typeof harmlessWorlds]?: Part } = {
  'errors 0.1 %': { published: { reverted: 0.64 } },
  'errors 1 %': { published: { reverted: 0.52 } },
  'errors 5 %': { published: { reverted: 0.56 } },
  'errors ~0 (1e-6)': { published: { reverted: 0.15 } },
  'tiny traffic (100 a tick)': { published: { reverted: 0.45 } },
  'users skewed 1000x': { published: { reverted: 0.15 } },
  'strong skew, users differ': { published: { reverted: 0.05 } },
  'skewed, 500 users only': { published: { reverted: 0.25 } },
  'retry storms (30 % of errors)': { published: { reverted: 0.2 } },
  'shared bursts x8': { published: { reverted: 0.35 } },
  'base rate 3 % to 0.5 %': { published: { reverted: 0.45 } },
  'arm noise sd .05 (floor .02)': { published: { reverted: 1.45 }, exempt: notModelled },
  'arm noise sd .1, calibrated': { published: { reverted: 0.25 }, definition: onRamp({ armNoise: 0.1 }) },
  everything: { published: { reverted: 0.1 } },
}

const harmfulParts: { readonly [K in keyof typeof harmfulWorlds]?: Part } = {
  'errors 1 % to 2 %': { detects: 0.99, published: { median: 1360, ratio: 1.19 } },
  'errors 1 % to 1.5 %': { detects: 0.9, published: { median: 5304, ratio: 1.29 } },
  'errors 0.1 % to 1 %': { detects: 0.99, published: { median: 540, ratio: 1.5 } },
  'errors 0.1 % to 0.2 %': { detects: 0.9, published: { median: 14105, ratio: 1.21 } },
  'errors 5 % to 10 %': { detects: 0.99, published: { median: 280, ratio: 1.17 } },
  'errors 1 % to 2 %, skewed': { detects: 0.99, published: { median: 11171, ratio: 7.77 } },
  'errors x2.43, storms': { detects: 0.99, published: { median: 27989, ratio: 16.78 } },
  'errors x2 after promotion': { detects: 0.99 },
  'errors growing to x2 in 10 min': { detects: 0.99 },
  'errors x2 in a tenth of users': { exempt: slicedHarm },
  'all latencies +20 %': { detects: 0.95, published: { median: 479, ratio: 1.09 } },
  'all latencies +50 %': { detects: 0.95, published: { median: 99, ratio: 1 } },
  'tail +20 %': { published: { median: 4597, ratio: 1.7 } },
  'tail +50 %': { detects: 0.95 },
  'errors x2, reports late, lost, doubled': { detects: 0.99 },
  'cold starts, canary only': { exempt: coldHarm },
}

const ramps = <K extends string>(
  kind: Scenario['kind'],
  table: { readonly [name in K]: World },
  parts: { readonly [name in K]?: Part },
): { [name: string]: Scenario } =>
  Object.fromEntries(
    Object.entries<World>(table).map(([name, world]) => [
      name,
      { kind, world, definition: onRamp(), ramp, ...parts[name as K] },
    ]),
  )

/** T_max of 20, 10, 10 and 20 minutes; the longest hold is twice that. */
const engine = onRamp({ hold: '3m', maxHold: ['40m', '20m', '20m', '40m'] })
const advancing = (world: World): Scenario => ({ kind: 'advance', world, definition: engine, ramp })
const atMargin = (metric: string, margin: object, weight: number, part: Parameters<typeof harm>[0]): Scenario => ({
  kind: 'gate',
  world: { ...plain, harm: harm(part) },
  definition: () => gatedStage(metric, margin, weight),
  ramp,
})
const covered = (world: World): Scenario => ({ kind: 'coverage', world, definition: onRamp({ action: 'alert' }), ramp })

/** The published rows at 50/50 have a fifth of the traffic. */
const fifth = { ...plain, requestsPerTick: 400 }

const doubled = { ...plain, harm: harm({ errors: 2 }) }

/** Every scenario by name. */
export const scenarios: { readonly [name: string]: Scenario } = {
  ...ramps('harmless', harmlessWorlds, harmlessParts),
  '1 % against 99 % all along': { kind: 'harmless', world: plain, ...oneStage(1) },
  '50/50 all along': { kind: 'harmless', world: plain, ...oneStage(50) },
  ...ramps('harmful', harmfulWorlds, harmfulParts),
  'errors 1 % to 2 % at 50/50': {
    kind: 'harmful',
    world: { ...fifth, harm: harm({ errors: 2 }) },
    ...oneStage(50),
    detects: 0.99,
    published: { median: 3199, ratio: 1.14 },
  },
  'errors 1 % to 1.5 % at 50/50': {
    kind: 'harmful',
    world: { ...fifth, harm: harm({ errors: 1.5 }) },
    ...oneStage(50),
    detects: 0.9,
    published: { median: 10_594, ratio: 1.23 },
  },
  'advance: harmless': advancing(plain),
  'advance: harmless, skewed 1000x': advancing(harmlessWorlds['users skewed 1000x']),
  'advance: harmless, errors 0.1 %': advancing(harmlessWorlds['errors 0.1 %']),
  'advance: harmless, errors ~0': advancing(harmlessWorlds['errors ~0 (1e-6)']),
  'advance: harmless, tiny traffic': advancing({ ...plain, requestsPerTick: 100 }),
  'advance: harmless, everything': advancing(harmlessWorlds.everything),
  'advance: errors +20 %': advancing({ ...plain, harm: harm({ errors: 1.2 }) }),
  'advance: errors +50 %': advancing({ ...plain, harm: harm({ errors: 1.5 }) }),
  'advance: errors x2': advancing(doubled),
  'gate: errors x1.5 at 5 %': atMargin('error_rate', { relative: 1.5 }, 5, { errors: 1.5 }),
  'gate: errors x1.3 at 25 %': atMargin('error_rate', { relative: 1.3 }, 25, { errors: 1.3 }),
  'gate: errors +0.5 points at 25 %': atMargin('error_rate', { absolute: 0.005 }, 25, { errors: 1.5 }),
  'gate: 0.99 of the successes at 25 %': atMargin('success_rate', { relative: 0.99 }, 25, { errors: 1.99 }),
  'gate: p50 x1.25 at 5 %': atMargin('latency_p50', { relative: 1.25 }, 5, { latency: 1.25 }),
  'gate: p99 x1.5 at 25 %': atMargin('latency_p99', { relative: 1.5 }, 25, { latency: 1.5 }),
  'gate: sells 10 % less at 50 %': atMargin('purchase', { relative: 0.9 }, 50, { conversion: 0.9 }),
  'coverage: harmless': covered(fifth),
  'coverage: errors x2': covered({ ...fifth, harm: harm({ errors: 2 }) }),
  'coverage: harmless, full traffic': covered(plain),
  'coverage: errors x2, full traffic': covered(doubled),
}

/** What Wald's test is told; undefined where no fixed rates describe the harm. */
export function truthOf({ world }: Scenario, limits: readonly number[]): Truth | undefined {
  const effect = world.harm
  if (effect === undefined || effect.isSliced || effect.growsTicks > 0 || effect.conversion !== 1) return undefined
  if (effect.errors !== 1) return { stable: world.errors, canary: world.errors * effect.errors, weight: 0.7 }
  // A general slow-down shows best at p50, one of the tail at p99.
  const limit = effect.latency === 1 ? 4 : 0
  const ms = limits[limit]
  if (ms === undefined) return undefined
  const slowness = { scale: effect.latency, tail: effect.tail }
  return {
    stable: slowerThan(world.latency, ms, 1, { scale: 1, tail: 1 }),
    canary: slowerThan(world.latency, ms, 1, slowness),
    limit,
    weight: 0.07,
  }
}
