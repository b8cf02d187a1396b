/**
 * `node sketches.ts`: the latency sketch beside others at 1 %, adding the same latencies in turn; then the error of a few quantiles of each. Prints
 * one line of JSON. Needs the packages of this folder (`npm ci` here).
 */
import { DDSketch } from '@datadog/sketches-js'
import { LatencySketch } from '@pipit/shared/sketch'
import { seededRandom } from '@pipit/shared/testing'
import { build, initWebAssembly } from 'hdr-histogram-js'
import type { MeasuredSketch } from '../measured-sketch.ts'
import { sideBySide } from '../side-by-side.ts'

const count = 65_536
const perRound = 1_000_000
const random = seededRandom(7)
const gauss = (): number => Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random())
/** Milliseconds: log-normal around 40, one in a hundred twelve times as slow. */
const latencies = Float64Array.from({ length: count }, () => 40 * Math.exp(0.6 * gauss()) * (random() < 0.01 ? 12 : 1))
const sorted = latencies.toSorted()

await initWebAssembly()
const ours = new LatencySketch()
const datadog = new DDSketch({ relativeAccuracy: 0.01 })
// Whole numbers alone: microseconds, to an hour, at two digits.
const range = {
  lowestDiscernibleValue: 1,
  highestTrackableValue: 3_600_000_000,
  numberOfSignificantValueDigits: 2,
} as const
const hdr = build({ ...range, bitBucketSize: 32 })
const hdrWasm = build({ ...range, bitBucketSize: 32, useWebAssembly: true })

const each = (add: (ms: number) => void) => () => {
  for (let i = 0; i < perRound; i++) add(latencies[i & (count - 1)] as number)
  return 1
}
const sketches = [
  { name: 'pipit', run: each((ms) => ours.add(ms)), quantile: (q: number) => ours.quantile(q) ?? Number.NaN },
  {
    name: '@datadog/sketches-js',
    run: each((ms) => datadog.accept(ms)),
    quantile: (q: number) => datadog.getValueAtQuantile(q),
  },
  {
    name: 'hdr-histogram-js',
    run: each((ms) => hdr.recordValue(Math.round(ms * 1000))),
    quantile: (q: number) => hdr.getValueAtPercentile(100 * q) / 1000,
  },
  {
    name: 'hdr-histogram-js, WebAssembly',
    run: each((ms) => hdrWasm.recordValue(Math.round(ms * 1000))),
    quantile: (q: number) => hdrWasm.getValueAtPercentile(100 * q) / 1000,
  },
]
const timings = sideBySide(sketches, perRound)

function errorOf(quantile: (q: number) => number): number {
  const errors = [0.01, 0.5, 0.9, 0.99, 0.999].map((q) => {
    const exact = sorted[Math.floor(q * (count - 1))] as number
    return Math.abs(quantile(q) - exact) / exact
  })
  return Math.max(...errors)
}

const found = timings.map(({ name, nanoseconds }, i): MeasuredSketch => {
  return { name, nanoseconds, error: errorOf((sketches[i] as (typeof sketches)[number]).quantile) }
})
console.log(JSON.stringify(found))
