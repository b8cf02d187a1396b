import {
  type ArmTick,
  type BucketTable,
  type EpochBuckets,
  foldTick,
  type Judgement,
  judge,
  type Requests,
  startJudge,
  type Tick,
  userBuckets,
  type ValueTable,
} from '@pipit/server/analysis'
import { parseRollout, type RolloutDefinition } from '@pipit/server/rollout'
import type { Random } from '@pipit/shared/clock'
import { seededRandom } from '@pipit/shared/testing'
import { inBlocks, normal, poisson } from './draws.ts'

/** One stage of a rollout judged by the kinds of metric and checks that the ramps of `scenarios.ts` do not have, looked at every tick. */
export interface KindWorld {
  readonly weight: number
  readonly ticks: number
  /** Users who come for the first time in a tick. */
  readonly newcomers: number
  /** Requests of a user in a tick; users are unequal by a log-normal of this sigma. */
  readonly activity: { readonly mean: number; readonly sigma: number }
  readonly errors: { readonly stable: number; readonly canary: number }
  /** Share of the canary's requests that are never reported. */
  readonly lost?: number
  /** Errors where the user is in the rarest country (one in twenty). */
  readonly rareErrors?: number
  /** What a newcomer spends in all, on average; log-normal with rare large values. */
  readonly spends?: { readonly stable: number; readonly canary: number; readonly share: number; readonly sigma: number }
  /** Mean of an external figure with noise of sd 1. */
  readonly figure?: { readonly stable: number; readonly canary: number }
  /** Outcomes of staff on the canary in a tick. */
  readonly staff?: number
  readonly file: object
}

export interface KindResult {
  readonly label: Judgement['label']
  readonly codes: readonly string[]
  readonly sentence: string
  readonly ticks: number
  /** A gate's goal was ever claimed to be shown. */
  readonly claimed: boolean
}

type Counts = { -readonly [K in keyof Requests]: Requests[K] } & { exposed: number }
type Values = { y: Float64Array; d: Float64Array; units: number; contributing: number; squares: number }

const countries = ['DE', 'FR', 'IT', 'NZ'] as const
const countryOf = (draw: number): string => (draw < 0.05 ? 'NZ' : (countries[Math.floor(draw * 3)] as string))

const counts = (): Counts => ({ n: 0, failed: 0, timed: 0, over: [], exposed: 0 })
const table = (): BucketTable => ({
  n: new Float64Array(userBuckets),
  failed: new Float64Array(userBuckets),
  timed: new Float64Array(userBuckets),
  over: [],
})
const values = (): Values => ({
  y: new Float64Array(userBuckets),
  d: new Float64Array(userBuckets),
  ...{ units: 0, contributing: 0, squares: 0 },
})

function definitionOf({ weight, file }: KindWorld): RolloutDefinition {
  const parsed = parseRollout({
    key: 'simulated',
    stages: [
      { name: 'part', weight, ...(weight === 0 ? { cohorts: ['staff'] } : {}), hold: '60m', maxHold: '120m' },
      { name: 'full', weight: 100 },
    ],
    ...file,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

/** One run, until the judge stops it or its ticks are over. */
export function simulateKind(world: KindWorld, seed: number): KindResult {
  const random = inBlocks(seededRandom(seed))
  const definition = definitionOf(world)
  const traffic = createTraffic(world, random)
  let state = startJudge(definition)
  let claimed = false
  let found: Judgement | undefined
  for (let tick = 0; tick < world.ticks; tick++) {
    state = foldTick(definition, state, traffic.draw(tick))
    found = judge({
      ...{ definition, state, dismissed: [], breakers: { open: 0, instances: 2 } },
      stage: { epoch: 1, index: 0, weight: world.weight, elapsedMs: (tick + 1) * 5000, approvalMissing: false },
      buckets: [traffic.buckets],
      now: (tick + 1) * 5000,
    })
    state = found.state
    claimed ||= found.metrics.some(({ superiority }) => superiority?.passed === true)
    if (found.label === 'revert' || found.label === 'pause') return resultOf(found, tick + 1, claimed)
  }
  if (found === undefined) throw new Error('a world has to have ticks')
  return resultOf(found, world.ticks, claimed)
}

const resultOf = ({ label, reasons, sentence }: Judgement, ticks: number, claimed: boolean): KindResult => ({
  ...{ label, sentence, ticks, claimed },
  codes: reasons.map(({ code }) => code),
})

interface User {
  readonly canary: boolean
  readonly bucket: number
  /** Requests in a tick, on average. */
  readonly rate: number
  readonly country: string
}

function createTraffic(world: KindWorld, random: Random) {
  const canary = table()
  const stable = table()
  const forced = table()
  const spent = { canary: values(), stable: values() }
  const users: User[] = []
  const buckets: EpochBuckets = {
    ...{ epoch: 1, thresholdsVersion: 0, canary, stable, forced },
    ...(world.spends === undefined ? {} : { values: { revenue: spent as { canary: ValueTable; stable: ValueTable } } }),
  }

  function come(): void {
    const isCanary = random() * 100 < world.weight
    const bucket = Math.floor(random() * userBuckets)
    const { mean, sigma } = world.activity
    const rate = mean * Math.exp(sigma * normal(random) - (sigma * sigma) / 2)
    users.push({ canary: isCanary, bucket, rate, country: countryOf(random()) })
    if (world.spends !== undefined) spend(world.spends, isCanary, Math.floor(random() * userBuckets))
  }

  function spend(spends: NonNullable<KindWorld['spends']>, isCanary: boolean, bucket: number): void {
    const arm = isCanary ? spent.canary : spent.stable
    arm.units++
    arm.d[bucket] = (arm.d[bucket] as number) + 1
    if (random() >= spends.share) return
    const mean = (isCanary ? spends.canary : spends.stable) / spends.share
    const whale = random() < 0.002 ? 20 : 1
    const value = mean * whale * Math.exp(spends.sigma * normal(random) - (spends.sigma * spends.sigma) / 2)
    arm.y[bucket] = (arm.y[bucket] as number) + value
    arm.contributing++
    arm.squares += value * value
  }

  /** Most users do nothing in a tick: their number is drawn first, then who they are. */
  function useAll(
    arms: { canary: Counts; stable: Counts },
    slices: Map<string, { canary: Counts; stable: Counts }>,
  ): void {
    for (const user of users) {
      const n = poisson(user.rate, random)
      if (n === 0) continue
      const [reported, failed] = useOnce(user, n)
      const slice = slices.get(user.country) ?? { canary: counts(), stable: counts() }
      slices.set(user.country, slice)
      for (const into of user.canary ? [arms.canary, slice.canary] : [arms.stable, slice.stable]) {
        into.n += reported
        into.failed += failed
      }
    }
  }

  /** A user's requests that are reported, and those of them that failed. */
  function useOnce(user: User, n: number): readonly [reported: number, failed: number] {
    const lost = user.canary ? (world.lost ?? 0) : 0
    const reported = lost > 0 ? n - binomial(n, lost, random) : n
    const own = user.canary ? world.errors.canary : world.errors.stable
    const rate = user.canary && user.country === 'NZ' ? (world.rareErrors ?? own) : own
    const failed = binomial(reported, rate, random)
    const side = user.canary ? canary : stable
    side.n[user.bucket] = (side.n[user.bucket] as number) + reported
    side.failed[user.bucket] = (side.failed[user.bucket] as number) + failed
    return [reported, failed]
  }

  return {
    buckets,
    draw(tick: number): Tick {
      const arms = { canary: counts(), stable: counts() }
      const before = users.length
      for (let i = poisson(world.newcomers, random); i > 0; i--) come()
      for (const { canary: isCanary } of users.slice(before)) (isCanary ? arms.canary : arms.stable).exposed++
      const slices = new Map<string, { canary: Counts; stable: Counts }>()
      useAll(arms, slices)
      const staff = poisson(world.staff ?? 0, random)
      const failed = binomial(staff, world.errors.canary, random)
      for (let i = 0; i < staff; i++) {
        const bucket = Math.floor(random() * userBuckets)
        forced.n[bucket] = (forced.n[bucket] as number) + 1
        if (i < failed) forced.failed[bucket] = (forced.failed[bucket] as number) + 1
      }
      const arm = (side: Counts): ArmTick => ({ ...side, conversions: {} })
      return {
        ...{ tick, epoch: 1, stage: 0, thresholdsVersion: 0 },
        ...{ canary: arm(arms.canary), stable: arm(arms.stable) },
        forcedCanary: { n: staff, failed, exposed: tick === 0 && staff > 0 ? 5 : 0 },
        slices: { country: Object.fromEntries(slices) },
        ...(world.figure === undefined ? {} : { external: { queue: figures(world.figure, random) } }),
      }
    },
  }
}

function figures(figure: NonNullable<KindWorld['figure']>, random: Random) {
  const one = (mean: number) => ({ sum: mean + normal(random), count: 1 })
  return { canary: one(figure.canary), stable: one(figure.stable) }
}

function binomial(n: number, p: number, random: Random): number {
  let x = 0
  for (let i = 0; i < n; i++) if (random() < p) x++
  return x
}
