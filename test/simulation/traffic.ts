import type { ArmTick, BucketTable, EpochBuckets, Tick } from '@pipit/server/analysis'
import type { Random } from '@pipit/shared/clock'
import { LatencySketch } from '@pipit/shared/sketch'
import { type Chances, createChances } from './chances.ts'
import { createConversions } from './conversions.ts'
import { geometric, inBlocks, poisson } from './draws.ts'
import { drawLatency } from './latency.ts'
import { createTables, type Tables } from './tables.ts'
import { createUsers } from './users.ts'
import { createWeather, type World } from './world.ts'

/** Where a rollout stands, as far as its traffic is concerned. */
export interface Moment {
  readonly tick: number
  readonly epoch: number
  readonly stage: number
  /** Percent. */
  readonly weight: number
  readonly thresholds: { readonly version: number; readonly ms: readonly number[] }
}

/** The traffic of one rollout. */
export interface Traffic {
  /** Draws one time bucket and returns it as evidence; where reports are late, what was held back at the end of an epoch comes before it. */
  tick(moment: Moment): { readonly drawn: Tick; readonly late: readonly Tick[] }
  /** User-bucket tables of every epoch so far, as storage would give them. */
  buckets(): readonly EpochBuckets[]
  /** Stable's latencies in the present epoch: the first 20 000 of them. */
  readonly stableLatency: LatencySketch
  /** Canary requests, and users whose canary requests failed, since the harm began (since the start where there is none). */
  readonly canaryRequests: number
  readonly usersHit: number
}

/** Latencies beyond these are not drawn, only whether they are above the limits: a quantile of stable needs no more. */
const sketched = 20_000
const stormSize = 8
const slices = ['no', 'de', 'uk', 'us'] as const
const sliceEnds = [0.1, 0.3, 0.6, 1] as const

/** Flags of a user in an epoch. */
const inCanary = 1
const isExposed = 2

/** Places in the sums of one side; the counts above each limit follow. */
const place = { n: 0, failed: 1, timed: 2, exposed: 3, atRisk: 4, converted: 5, over: 6 } as const

/**
 * Every request is drawn by itself, with its user, arm and outcome: exact, whatever the users are like; a request that fails does not
 * convert. Two things are not exact: the number of requests of a tick is a rounded normal number (a Poisson one below 30), and a latency
 * is drawn in milliseconds only for stable's first 20 000 requests of a stage, from which limits are proposed; of all others (and once
 * there are limits) only which limits it exceeds, with exact probabilities. Users' typical latencies come in 16 steps.
 */
export function createTraffic(world: World, seeded: Random): Traffic {
  const random = inBlocks(seeded)
  const users = createUsers(world.crowd, random)
  const weather = createWeather(world, random)
  const chances = createChances(world, users.factors, random)
  const conversions = createConversions(world, users.count, random)
  const tables = createTables()
  const flags = new Uint8Array(users.count)
  const hit = new Uint8Array(users.count)
  const isSliced = world.harm?.isSliced === true
  const hasSteps = world.crowd.latency > 0
  const isEven = world.crowd.activity === 0
  const { late, lost, doubled } = world.reports
  const isPlain = world.crowd.errors === 0
  const converts = 1 - world.conversion
  const isGrouped = isSliced || late > 0
  /** What is told apart within an arm: slices, or reports that come a tick later. */
  const group = new Uint8Array(users.count)
  if (isSliced) for (let user = 0; user < users.count; user++) group[user] = sliceAt(random())
  const groups = isSliced ? slices.length : 2
  const stableLatency = new LatencySketch()
  let epoch = -1
  let stride = 0
  let sums = new Float64Array(0)
  let held: { readonly moment: Moment; readonly sums: Float64Array } | undefined
  let canaryRequests = 0
  let usersHit = 0

  function enter(moment: Moment): void {
    epoch = moment.epoch
    for (let user = 0; user < flags.length; user++)
      flags[user] = (users.position[user] as number) < moment.weight ? inCanary : 0
  }

  function expose(user: number, at: number): void {
    flags[user] = (flags[user] as number) | isExposed
    sums[at + place.exposed] = (sums[at + place.exposed] as number) + 1
    if (!conversions.has(user)) sums[at + place.atRisk] = (sums[at + place.atRisk] as number) + 1
  }

  function fail(user: number, arm: number, at: number, failed: Float64Array): void {
    const bucket = users.bucket[user] as number
    sums[at + place.failed] = (sums[at + place.failed] as number) + 1
    failed[bucket] = (failed[bucket] as number) + 1
    if (arm === inCanary && chances.harming && hit[user] === 0) {
      hit[user] = 1
      usersHit++
    }
  }

  /** One latency: limits in rising order, so who is below one is below all that follow. */
  function measure(user: number, at: number, chance: Float64Array, arm: BucketTable): void {
    const { limits, order } = chances
    if (limits === 0) return
    const bucket = users.bucket[user] as number
    sums[at + place.timed] = (sums[at + place.timed] as number) + 1
    arm.timed[bucket] = (arm.timed[bucket] as number) + 1
    const from = hasSteps ? (users.step[user] as number) * limits : 0
    const drawn = random()
    for (let i = 0; i < limits; i++) {
      if (drawn >= (chance[from + i] as number)) return
      const limit = order[i] as number
      const over = arm.over[limit] as Float64Array
      sums[at + place.over + limit] = (sums[at + place.over + limit] as number) + 1
      over[bucket] = (over[bucket] as number) + 1
    }
  }

  function groupOf(user: number): number {
    if (isSliced) return group[user] as number
    return late > 0 && random() < late ? 1 : 0
  }

  /** How often a request is reported: lost and doubled reports are the canary's. */
  function copies(arm: number): number {
    if (arm === 0 || lost + doubled === 0) return 1
    const at = random()
    return at < lost ? 0 : at < lost + doubled ? 2 : 1
  }

  function drawRequests(count: number, tick: number, both: Tables): void {
    for (let i = 0; i < count; i++) request(isEven ? Math.floor(random() * users.count) : users.next(), tick, both)
  }

  function request(user: number, tick: number, { canary, stable }: Tables): void {
    const flag = flags[user] as number
    const arm = flag & inCanary
    const part = isGrouped ? groupOf(user) : 0
    const at = (arm + 2 * part) * stride
    if ((flag & isExposed) === 0) expose(user, at)
    const isHarmed = !isSliced || part === 0
    const own = isPlain ? 1 : (users.errors[user] as number)
    const drawn = random()
    const isFailure = drawn < errorsOf(chances, arm, isHarmed) * own
    const slower = slowerOf(chances, arm, isHarmed)
    for (let times = copies(arm); times > 0; times--)
      count(user, arm, at, isFailure, slower, arm === inCanary ? canary : stable)
    if (arm === 0 && stableLatency.count < sketched)
      stableLatency.add(drawLatency(world.latency, users.factors[users.step[user] as number] as number, random))
    if (drawn > converts && conversions.request(user, arm === inCanary, tick, chances.conversion))
      sums[at + place.converted] = (sums[at + place.converted] as number) + 1
  }

  function count(
    user: number,
    arm: number,
    at: number,
    isFailure: boolean,
    slower: Float64Array,
    table: BucketTable,
  ): void {
    const bucket = users.bucket[user] as number
    sums[at] = (sums[at] as number) + 1
    table.n[bucket] = (table.n[bucket] as number) + 1
    if (isFailure) fail(user, arm, at, table.failed)
    measure(user, at, slower, table)
  }

  /** One user who fails again and again. */
  function drawStorms(storms: number, { canary, stable }: Tables): void {
    for (let i = 0; i < storms; i++) {
      const user = users.next()
      const arm = (flags[user] as number) & inCanary
      if (arm === 0 && random() >= chances.stableStorms) continue
      const table = arm === inCanary ? canary : stable
      const at = (arm + 2 * groupOf(user)) * stride
      if (((flags[user] as number) & isExposed) === 0) expose(user, at)
      const slower = slowerOf(chances, arm, true)
      for (let left = geometric(stormSize, random); left > 0; left--) count(user, arm, at, true, slower, table)
    }
  }

  function drawConversions(tick: number): void {
    conversions.deliver(tick, (user) => {
      const flag = flags[user] as number
      if ((flag & isExposed) === 0) return
      const at = (flag & inCanary) * stride + place.converted
      sums[at] = (sums[at] as number) + 1
    })
  }

  function tick(moment: Moment): { readonly drawn: Tick; readonly late: readonly Tick[] } {
    const now = weather(moment.tick)
    chances.set(moment, now.errors)
    if (moment.epoch !== epoch) {
      enter(moment)
      stableLatency.clear()
    }
    const both = tables.of(moment)
    stride = place.over + moment.thresholds.ms.length
    sums = new Float64Array(2 * groups * stride)
    const requests = poisson(world.requestsPerTick * now.requests, random)
    drawRequests(requests, moment.tick, both)
    if (world.storms > 0) drawStorms(poisson((chances.stormErrors * requests) / stormSize, random), both)
    drawConversions(moment.tick)
    if (chances.harming) for (let i = 0; i < groups; i++) canaryRequests += sums[(inCanary + 2 * i) * stride] as number
    return isSliced ? { drawn: slicedTick(moment), late: [] } : reported(moment)
  }

  /** What came in time and what the tick before held back. Counts against other limits than now are lost, as they are for SDKs. */
  function reported(moment: Moment): { readonly drawn: Tick; readonly late: readonly Tick[] } {
    const size = 2 * stride
    const came = sums.slice(0, size)
    const before = held
    held = late > 0 ? { moment, sums: sums.slice(size) } : undefined
    if (before === undefined) return { drawn: tickOf(moment, came), late: [] }
    if (before.moment.epoch !== moment.epoch)
      return { drawn: tickOf(moment, came), late: [tickOf({ ...before.moment, tick: moment.tick }, before.sums)] }
    if (before.sums.length === size)
      for (let i = 0; i < size; i++) came[i] = (came[i] as number) + (before.sums[i] as number)
    return { drawn: tickOf(moment, came), late: [] }
  }

  function slicedTick(moment: Moment): Tick {
    const size = 2 * stride
    const whole = new Float64Array(size)
    for (let i = 0; i < sums.length; i++) whole[i % size] = (whole[i % size] as number) + (sums[i] as number)
    const country = Object.fromEntries(
      slices.map((name, i) => {
        const part = sums.slice(i * size, (i + 1) * size)
        return [name, { canary: requestsAt(part, size / 2, size), stable: requestsAt(part, 0, size / 2) }]
      }),
    )
    return { ...tickOf(moment, whole), slices: { country } }
  }

  return {
    tick,
    buckets: tables.all,
    stableLatency,
    get canaryRequests() {
      return canaryRequests
    },
    get usersHit() {
      return usersHit
    },
  }
}

const sliceAt = (at: number): number => sliceEnds.findIndex((end) => at < end)

const errorsOf = (chances: Chances, arm: number, isHarmed: boolean): number =>
  arm === 0 ? chances.stableErrors : isHarmed ? chances.harmedErrors : chances.canaryErrors

const slowerOf = (chances: Chances, arm: number, isHarmed: boolean): Float64Array =>
  arm === 0 ? chances.stableSlower : isHarmed ? chances.harmedSlower : chances.canarySlower

const requestsAt = (sums: Float64Array, from: number, to: number) => ({
  n: sums[from + place.n] as number,
  failed: sums[from + place.failed] as number,
  timed: sums[from + place.timed] as number,
  over: [...sums.subarray(from + place.over, to)],
})

function armAt(sums: Float64Array, from: number, to: number): ArmTick {
  return {
    ...requestsAt(sums, from, to),
    exposed: sums[from + place.exposed] as number,
    conversions: {
      purchase: { atRisk: sums[from + place.atRisk] as number, converted: sums[from + place.converted] as number },
    },
  }
}

/** Stable's sums come first. */
function tickOf({ tick, epoch, stage, thresholds }: Moment, sums: Float64Array): Tick {
  const half = sums.length / 2
  return {
    tick,
    epoch,
    stage,
    thresholdsVersion: thresholds.version,
    canary: armAt(sums, half, sums.length),
    stable: armAt(sums, 0, half),
    forcedCanary: { n: 0, failed: 0, exposed: 0 },
  }
}
