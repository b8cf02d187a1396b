import { type ArmTick, type BucketTable, type EpochBuckets, type Tick, userBuckets } from '@pipit/server/analysis'
import type { Random } from '@pipit/shared/clock'
import { LatencySketch } from '@pipit/shared/sketch'

/** What the simulated application is like. Rates are per request, conversions per request of a user who has not converted. */
export interface World {
  readonly requestsPerTick: number
  readonly users: number
  readonly errors: { readonly stable: number; readonly canary: number }
  /** Log-normal latency: median in ms and sigma. */
  readonly latency: { readonly medianMs: number; readonly sigma: number; readonly canaryFactor: number }
  readonly conversion: { readonly stable: number; readonly canary: number }
}

/** The traffic of one rollout: every request is drawn, with its user, arm, outcome and latency. */
export interface Traffic {
  /** Draws one time bucket at a weight (percent) and returns it as evidence. */
  tick(
    tick: number,
    epoch: number,
    weight: number,
    thresholds: { readonly version: number; readonly ms: readonly number[] },
  ): Tick
  /** User-bucket tables of every epoch so far, as storage would give them. */
  buckets(): readonly EpochBuckets[]
  /** Stable's latencies in the present epoch. */
  readonly stableLatency: LatencySketch
  readonly canaryRequests: number
}

type Arm = { -readonly [K in keyof ArmTick]: ArmTick[K] } & { over: number[]; atRisk: number; converted: number }

const emptyArm = (limits: number): Arm => ({
  n: 0,
  failed: 0,
  timed: 0,
  over: new Array(limits).fill(0),
  exposed: 0,
  conversions: {},
  atRisk: 0,
  converted: 0,
})

const emptyTable = (limits: number): BucketTable => ({
  n: new Float64Array(userBuckets),
  failed: new Float64Array(userBuckets),
  timed: new Float64Array(userBuckets),
  over: Array.from({ length: limits }, () => new Float64Array(userBuckets)),
})

export function createTraffic(world: World, random: Random): Traffic {
  const assignment = Float64Array.from({ length: world.users }, () => random() * 100)
  const bucketOf = Uint8Array.from({ length: world.users }, () => Math.floor(random() * userBuckets))
  const exposedIn = new Int32Array(world.users).fill(-1)
  const converted = new Uint8Array(world.users)
  const epochs: EpochBuckets[] = []
  const stableLatency = new LatencySketch()
  let canaryRequests = 0

  function tablesOf(epoch: number, version: number, limits: number): EpochBuckets {
    const last = epochs.at(-1)
    if (last?.epoch === epoch && last.thresholdsVersion === version) return last
    const begun = { epoch, thresholdsVersion: version, canary: emptyTable(limits), stable: emptyTable(limits) }
    if (last?.epoch === epoch) {
      // New limits within an epoch: what was counted of requests and failures stays.
      for (const arm of ['canary', 'stable'] as const) {
        begun[arm].n.set(last[arm].n)
        begun[arm].failed.set(last[arm].failed)
      }
      epochs.pop()
    } else stableLatency.clear()
    epochs.push(begun)
    return begun
  }

  function draw(arm: Arm, table: BucketTable, user: number, isCanary: boolean, limits: readonly number[]): void {
    const bucket = bucketOf[user] as number
    arm.n++
    table.n[bucket] = (table.n[bucket] as number) + 1
    if (random() < (isCanary ? world.errors.canary : world.errors.stable)) {
      arm.failed++
      table.failed[bucket] = (table.failed[bucket] as number) + 1
    }
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const ms =
      world.latency.medianMs * (isCanary ? world.latency.canaryFactor : 1) * Math.exp(world.latency.sigma * normal)
    if (!isCanary) stableLatency.add(ms)
    if (limits.length > 0) countLatency(arm, table, bucket, ms, limits)
    if (converted[user] === 0 && random() < (isCanary ? world.conversion.canary : world.conversion.stable)) {
      converted[user] = 1
      arm.converted++
    }
  }

  return {
    stableLatency,
    get canaryRequests() {
      return canaryRequests
    },
    buckets: () => epochs,
    tick(tick, epoch, weight, thresholds) {
      const limits = thresholds.ms
      const tables = tablesOf(epoch, thresholds.version, limits.length)
      const canary = emptyArm(limits.length)
      const stable = emptyArm(limits.length)
      const count = poisson(world.requestsPerTick, random)
      for (let i = 0; i < count; i++) {
        const user = Math.floor(random() * world.users)
        const isCanary = (assignment[user] as number) < weight
        const arm = isCanary ? canary : stable
        if (exposedIn[user] !== epoch) {
          exposedIn[user] = epoch
          arm.exposed++
          if (converted[user] === 0) arm.atRisk++
        }
        draw(arm, isCanary ? tables.canary : tables.stable, user, isCanary, limits)
      }
      canaryRequests += canary.n
      return {
        tick,
        epoch,
        thresholdsVersion: thresholds.version,
        canary: finished(canary),
        stable: finished(stable),
        forcedCanary: { n: 0, failed: 0, exposed: 0 },
      }
    },
  }
}

function countLatency(arm: Arm, table: BucketTable, bucket: number, ms: number, limits: readonly number[]): void {
  arm.timed++
  table.timed[bucket] = (table.timed[bucket] as number) + 1
  for (let i = 0; i < limits.length; i++) {
    if (ms <= (limits[i] as number)) continue
    arm.over[i] = (arm.over[i] as number) + 1
    const over = table.over[i] as Float64Array
    over[bucket] = (over[bucket] as number) + 1
  }
}

function finished({ atRisk, converted, ...arm }: Arm): ArmTick {
  return { ...arm, conversions: { purchase: { atRisk, converted } } }
}

/** A Poisson number; normal approximation, good for the hundreds and thousands used here. */
function poisson(mean: number, random: Random): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal))
}
