/**
 * `npm run bench -- record`: what `outcome()` costs, against a floor of what nobody can leave out: one hash of the unit under the rollout's
 * salt, the counters of a bucket and three latency limits, one bump of a log-linear histogram, each with the look-up it needs (the salt by
 * rollout, the cell by rollout and variant). With the real clock, since a process has no other.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Decision } from '@pipit/shared/client'
import { hashSeeds, prepareSalt, type SaltedHash, userBucket } from '@pipit/shared/hash'
import type { Ruleset } from '@pipit/shared/rules'
import { LatencySketch } from '@pipit/shared/sketch'
import { seededRandom } from '@pipit/shared/testing'
import { benchClient } from './bench-client.ts'
import type { MeasuredSketch } from './measured-sketch.ts'
import type { Row } from './row.ts'
import { printTimings, sideBySide, type Timing } from './side-by-side.ts'

const bar = 2
const limits = [100, 250, 1000]
const people = 10_000
const perRound = 1_000_000
const uses = 65_536

const rulesetOf = (count: number): Ruleset => ({
  version: 1,
  environment: 'production',
  unitSalt: 'unit-salt',
  rollouts: Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `rollout-${i}`,
      {
        ...{
          phase: 'running',
          salt: `salt-of-rollout-${i}`.padEnd(24, '_'),
          hash: 1,
          epoch: 1,
          stage: 'tenth',
          weight: 10,
        },
        variants: [{ name: 'stable' }, { name: 'canary' }],
        thresholds: { version: 1, ms: limits },
      } as const,
    ]),
  ),
  cohorts: {},
})

const random = seededRandom(7)
const gauss = (): number => Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random())
const latencies = Float64Array.from({ length: uses }, () => 40 * Math.exp(0.6 * gauss()) * (random() < 0.01 ? 12 : 1))
const outcomes = Array.from(latencies, (latencyMs) => ({ ok: random() > 0.02, latencyMs }))

/** Exponent and six bits of the mantissa: 1.6 % wide at the widest, from 2⁻¹⁰ to 2⁵⁴. */
const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)
const bump = (histogram: Float64Array, ms: number): void => {
  float[0] = ms
  const at = (((words[1] as number) >>> 14) - ((1023 - 10) << 6)) & 4095
  histogram[at] = (histogram[at] as number) + 1
}

interface FloorCell {
  readonly table: Float64Array
  readonly histogram: Float64Array
}

/** The least that counts the same. */
function floorOf(ruleset: Ruleset): (decision: Decision, outcome: { ok: boolean; latencyMs: number }) => void {
  const salts = new Map<string, SaltedHash>()
  const cells = new Map<string, Map<string, FloorCell>>()
  for (const [key, { salt, variants }] of Object.entries(ruleset.rollouts)) {
    salts.set(key, prepareSalt(salt, hashSeeds.user))
    const cell = (): FloorCell => ({ table: new Float64Array(256 * 6), histogram: new Float64Array(4096) })
    cells.set(key, new Map(variants.map(({ name }) => [name, cell()])))
  }
  return (decision, { ok, latencyMs }) => {
    const { table, histogram } = (cells.get(decision.rollout) as Map<string, FloorCell>).get(
      decision.variant,
    ) as FloorCell
    const at = userBucket(salts.get(decision.rollout) as SaltedHash, decision.unit as string) * 6
    table[at] = (table[at] as number) + 1
    if (!ok) table[at + 1] = (table[at + 1] as number) + 1
    table[at + 2] = (table[at + 2] as number) + 1
    for (let i = 0; i < limits.length; i++)
      if (latencyMs > (limits[i] as number)) table[at + 3 + i] = (table[at + 3 + i] as number) + 1
    bump(histogram, latencyMs)
  }
}

function measure(count: number): readonly Timing[] {
  const ruleset = rulesetOf(count)
  const client = benchClient(ruleset, processClock)
  const floor = floorOf(ruleset)
  const prepared = prepareSalt('salt-of-rollout-0_______', hashSeeds.user)
  const decisions = Array.from({ length: people }, (_, i) =>
    client.decide(`user-${1_000_000 + ((i * 7919) % 1_000_003)}`, { rollout: `rollout-${i % count}` }),
  )
  const each = (use: (decision: Decision, outcome: { ok: boolean; latencyMs: number }) => void) => () => {
    for (let i = 0; i < perRound; i++)
      use(decisions[i % people] as Decision, outcomes[i & (uses - 1)] as { ok: boolean; latencyMs: number })
    return 1
  }
  let buckets = 0
  const timings = sideBySide(
    [
      { name: 'floor: hash, counters, bump, with look-ups', run: each(floor) },
      { name: 'outcome()', run: each((decision, outcome) => client.outcome(decision, outcome)) },
      {
        name: 'the hash alone',
        run: () => {
          for (let i = 0; i < perRound; i++)
            buckets += userBucket(prepared, (decisions[i % people] as Decision).unit as string)
          return buckets
        },
      },
    ],
    perRound,
    9,
  )
  printTimings(count === 1 ? 'one rollout' : `${count} rollouts in turn`, timings)
  return timings
}

/** As in a process, but that no timer is set: nothing is to be sent. */
const processClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: () => () => undefined,
}

function measureSketch(): readonly Timing[] {
  const histogram = new Float64Array(4096)
  const sketch = new LatencySketch()
  const timings = sideBySide(
    [
      {
        name: 'log-linear bump, 1.6 %',
        run: () => {
          for (let i = 0; i < perRound; i++) bump(histogram, latencies[i & (uses - 1)] as number)
          return 1
        },
      },
      {
        name: 'latency sketch, 1 %',
        run: () => {
          for (let i = 0; i < perRound; i++) sketch.add(latencies[i & (uses - 1)] as number)
          return 1
        },
      },
    ],
    perRound,
  )
  printTimings('the sketch alone (others beside it: npm run bench:peers)', timings)
  return timings
}

export async function rows(): Promise<readonly Row[]> {
  const note = 'the floor with the look-ups it needs: salt by rollout, cell by rollout and variant; real clock'
  const claims = [1, 21].map((count): Row => {
    const [floor, ours] = measure(count) as [Timing, Timing]
    const { ratio } = ours
    return {
      claim: `outcome(), ${count === 1 ? 'one rollout' : `${count} rollouts in turn`}`,
      ours: `${ours.nanoseconds.toFixed(0)} ns`,
      floor: `${floor.nanoseconds.toFixed(0)} ns`,
      ...{ ratio, bar: `at most ${bar} x`, met: ratio <= bar, note },
    }
  })
  measureSketch()
  return [...claims, sketchBesideOthers()]
}

/** The sketch beside other people's, where they are installed. */
function sketchBesideOthers(): Row {
  const claim = 'the latency sketch alone, beside @datadog/sketches-js and hdr-histogram-js'
  const bar = 'faster, within 1 %'
  const folder = new URL('./peers/', import.meta.url)
  if (!existsSync(new URL('node_modules/@datadog/sketches-js', folder))) {
    const note = 'others are not installed: npm ci --prefix test/bench/peers'
    return { claim, ours: '', bar, met: 'unmeasured', note }
  }
  const script = fileURLToPath(new URL('sketches.ts', folder))
  const done = spawnSync(process.execPath, [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (done.status !== 0) throw new Error(`the benchmark of sketches ended with ${done.status ?? done.signal}`)
  const measured = JSON.parse(done.stdout) as readonly MeasuredSketch[]
  console.log('\nadding a latency, and the largest error of a quantile')
  for (const { name, nanoseconds, error } of measured)
    console.log(`  ${name.padEnd(44)} ${nanoseconds.toFixed(1).padStart(9)} ns  ${(100 * error).toFixed(2)} %`)
  const [ours, ...others] = measured as readonly [MeasuredSketch, ...MeasuredSketch[]]
  const best = others.reduce((a, b) => (a.nanoseconds < b.nanoseconds ? a : b))
  return {
    ...{ claim, bar, ours: `${ours.nanoseconds.toFixed(1)} ns, ${(100 * ours.error).toFixed(2)} %` },
    ...{ floor: `${best.nanoseconds.toFixed(1)} ns`, ratio: ours.nanoseconds / best.nanoseconds },
    met: ours.nanoseconds < best.nanoseconds && ours.error <= 0.01,
    note: `the floor is the fastest of the others, ${best.name}`,
  }
}
