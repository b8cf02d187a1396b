/**
 * `npm run bench -- wire`: bytes of the reports that tell of a million outcomes, as the SDK's aggregator makes them and the wire has them: a tenth
 * of the traffic in the canary, 2 % failures, log-normal latencies with one in a hundred twelve times as slow.
 */
import { gzipSync } from 'node:zlib'
import { createOutcomeAggregator } from '@pipit/shared/counting'
import { type CompiledRollout, compileRuleset } from '@pipit/shared/decide'
import { encodeMessage, type OutcomeCell, parseSdkMessage } from '@pipit/shared/protocol'
import { seededRandom } from '@pipit/shared/testing'
import type { Row } from './row.ts'

const million = 1_000_000
/** One JSON object an outcome, as an SDK would send that does not add up. */
const oneByOne = {
  ...{ type: 'outcome', rollout: 'checkout-v2', epoch: 3, variant: 'canary', stratum: 'split' },
  ...{ user: 'user-123456', ok: true, latencyMs: 41.25 },
}

function rolloutOf(limits: number): CompiledRollout {
  const compiled = compileRuleset({
    version: 1,
    environment: 'production',
    unitSalt: 'unit-salt',
    rollouts: {
      'checkout-v2': {
        ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 3, stage: 'tenth', weight: 10 },
        variants: [{ name: 'stable' }, { name: 'canary' }],
        thresholds: { version: 1, ms: [100, 250, 1000, 50, 500].slice(0, limits).sort((a, b) => a - b) },
      },
    },
    cohorts: {},
  }).rollout('checkout-v2')
  if (compiled === undefined) throw new Error('the rollout of the benchmark is not compiled')
  return compiled
}

interface Sizes {
  readonly json: number
  readonly gzip: number
  /** The same with one row for all buckets. */
  readonly summed: number
}

/** Bytes for a million outcomes; measured on a part of it where there are many reports. */
function sizesOf({
  limits,
  perSecond,
  flushSeconds,
}: {
  limits: number
  perSecond: number
  flushSeconds: number
}): Sizes {
  const rollout = rolloutOf(limits)
  const random = seededRandom(12_345)
  const gauss = (): number => Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random())
  const outcomes = createOutcomeAggregator()
  const perReport = perSecond * flushSeconds
  const reports = Math.min(million / perReport, 1000)
  const totals = { json: 0, gzip: 0, summed: 0 }
  for (let seq = 1; seq <= reports; seq++) {
    for (let i = 0; i < perReport; i++) {
      const variant = random() < 0.1 ? 'canary' : 'stable'
      const unit = `user-${Math.floor(random() * million)}`
      const latencyMs = 40 * Math.exp(0.6 * gauss()) * (random() < 0.01 ? 12 : 1)
      outcomes.add({ rollout: 'checkout-v2', epoch: 3, variant, reason: 'split', randomised: true, unit }, rollout, {
        ok: random() >= 0.02,
        latencyMs,
      })
    }
    const cells = outcomes.take(40)
    const text = encodeMessage({ type: 'report', seq, outcomes: cells })
    if (!parseSdkMessage(text).ok) throw new Error('the report of the benchmark is refused')
    totals.json += text.length
    totals.gzip += gzipSync(text).length
    totals.summed += encodeMessage({ type: 'report', seq, outcomes: cells.map(inOneRow) }).length
  }
  const scale = million / (reports * perReport)
  return { json: totals.json * scale, gzip: totals.gzip * scale, summed: totals.summed * scale }
}

function inOneRow(cell: OutcomeCell): OutcomeCell {
  const sums = new Array<number>(cell.columns).fill(0)
  cell.buckets.forEach((number, i) => {
    if (i % cell.columns !== 0) sums[i % cell.columns] = (sums[i % cell.columns] as number) + number
  })
  return { ...cell, buckets: sums }
}

const kilo = (bytes: number): string => `${Math.round(bytes / 1000).toLocaleString('en')} kB`

export async function rows(): Promise<readonly Row[]> {
  console.log('limits  a second  flush        JSON    in one row    gzip each')
  for (const limits of [0, 1, 3, 5]) {
    for (const [perSecond, flushSeconds] of [
      [10_000, 1],
      [1000, 5],
      [1000, 1],
      [100, 5],
      [10, 5],
      [10, 60],
    ] as const) {
      const { json, gzip, summed } = sizesOf({ limits, perSecond, flushSeconds })
      const cells = [kilo(json), kilo(summed), kilo(gzip)].map((text) => text.padStart(11))
      console.log(
        `${String(limits).padStart(6)}  ${String(perSecond).padStart(8)}  ${String(flushSeconds).padStart(4)}s  ${cells.join('  ')}`,
      )
    }
  }
  const busy = sizesOf({ limits: 3, perSecond: 1000, flushSeconds: 5 })
  const quiet = sizesOf({ limits: 3, perSecond: 10, flushSeconds: 5 })
  const single = encodeLength(oneByOne) * million
  const note = 'three latency limits, a flush of 5 s; the floor is one JSON object an outcome'
  const row = (claim: string, bytes: number, bar: number, floor?: number): Row => ({
    ...{ claim, ours: kilo(bytes), bar: `at most ${kilo(bar)}`, met: bytes <= bar, note },
    ...(floor === undefined ? {} : { floor: kilo(floor), ratio: bytes / floor }),
  })
  return [
    row('a million outcomes at 1 000 a second, JSON on the wire', busy.json, 800_000, single),
    row('the same without user buckets', busy.summed, 350_000, single),
    row('the same with buckets, each report compressed by gzip', busy.gzip, 250_000, single),
    row('a million outcomes at 10 a second, JSON on the wire', quiet.json, 12_000_000, single),
  ]
}

const encodeLength = (value: object): number => JSON.stringify(value).length
