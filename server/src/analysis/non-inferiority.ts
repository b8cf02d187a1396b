import type { Margin } from '../rollout/definition.ts'
import { type Dispersion, temper } from './dispersion.ts'
import {
  type Counts,
  logLine,
  logSumExp,
  logWithinDifference,
  logWithinRatio,
  prefixRate,
  scoreDifference,
  scoreRatio,
  successes,
} from './e-value.ts'
import type { PlannedMetric } from './plan.ts'

/** Evidence at which a stage's margin is shown: e ≥ 40, β_e = 2.5 % (STATISTICS 5.2). */
export const logShown = Math.log(40)
/** z at 1.5 % for the first final look and at 1 % for the second (scipy's `ndtri`). */
export const finalZ = [2.1700903775845606, 2.3263478740408408] as const
/** z_.985 + z_.98: a margin this many standard errors wide is passed by 98 % of equal canaries (STATISTICS 5.3). */
export const feasibleErrors = 4.3

export type ShownBy = 'sequential' | 'first-final-look' | 'second-final-look'

/** The test of one metric in one stage, after its warm-up. Plain JSON. */
export interface StageTest {
  readonly logRatio: number
  readonly logDifference: number
  readonly information: number
  /** Earlier ticks of the stage: pooled bad and total, and for latencies what lies above the scaled limit. */
  readonly bad: number
  readonly scaledBad: number
  readonly total: number
  /** Sums for the final looks; for latencies `x1` is above the scaled limit and `x0` above the plain one. */
  readonly counts: Counts
  readonly looks: number
  readonly shown?: ShownBy
}

export const newStageTest: StageTest = {
  logRatio: 0,
  logDifference: 0,
  information: 0,
  bad: 0,
  scaledBad: 0,
  total: 0,
  counts: { n1: 0, x1: 0, n0: 0, x0: 0 },
  looks: 0,
}

/** A time bucket as the test sees it. */
export interface StageTick {
  readonly counts: Counts
  /** What is new in this tick: differs from `counts` for units at risk. */
  readonly added: Counts
  /** For latencies: both arms above the scaled limit. */
  readonly scaled: { readonly x1: number; readonly x0: number } | undefined
}

export function addStageTick(test: StageTest, metric: PlannedMetric, tick: StageTick, margin: Margin): StageTest {
  const { counts, added, scaled } = tick
  const q = prefixRate(test.bad, test.total, metric.prior)
  const share = counts.n1 + counts.n0 > 0 ? counts.n1 / (counts.n1 + counts.n0) : 0.5
  const tested = scaled === undefined ? counts : { ...counts, x1: scaled.x1 }
  let { logRatio, logDifference } = test
  if (counts.n1 > 0 && counts.n0 > 0) {
    if (metric.kind === 'latency') logRatio += scaledStep(test, metric, tested, q)
    else {
      if (margin.relative !== undefined) logRatio += ratioStep(metric, counts, q, margin.relative)
      if (margin.absolute !== undefined) logDifference += logWithinDifference(counts, q, margin.absolute)
    }
  }
  return {
    ...test,
    logRatio,
    logDifference,
    information: test.information + share * (1 - share) * (counts.x1 + counts.x0) * (1 - q),
    bad: test.bad + counts.x1 + counts.x0,
    scaledBad: test.scaledBad + (scaled === undefined ? 0 : scaled.x1 + scaled.x0),
    total: test.total + counts.n1 + counts.n0,
    counts: {
      n1: test.counts.n1 + added.n1,
      x1: test.counts.x1 + tested.x1,
      n0: test.counts.n0 + added.n0,
      x0: test.counts.x0 + tested.x0,
    },
  }
}

/** The ratio of a success rate is one of successes, although failures are counted. */
function ratioStep(metric: PlannedMetric, counts: Counts, q: number, theta: number): number {
  return metric.kind === 'success_rate'
    ? logWithinRatio(successes(counts), 1 - q, theta)
    : logWithinRatio(counts, q, theta)
}

/**
 * Latency in milliseconds (STATISTICS 4.4): "the canary's quantile is at most m times stable's" is "as many canary requests above m·τ as
 * stable ones above τ". The alternative is that both arms are alike.
 */
function scaledStep(test: StageTest, metric: PlannedMetric, counts: Counts, q: number): number {
  const above = prefixRate(test.scaledBad, test.total, metric.prior / 4)
  return above < q ? logLine(counts, { p1: above, p0: q }, 1) : 0
}

/** The evidence under the stage's over-dispersion and the arm-noise floor: the mean of both e-values where both margins are given. */
export function stageEvidence(test: StageTest, margin: Margin, spread: Dispersion, armNoise: number): number {
  const factor = spread.factor + armNoise * armNoise * test.information
  const logs: number[] = []
  if (margin.relative !== undefined) logs.push(temper(test.logRatio, factor, spread.degrees))
  if (margin.absolute !== undefined) logs.push(temper(test.logDifference, factor, spread.degrees))
  return logs.length === 0 ? 0 : logSumExp(logs) - Math.log(logs.length)
}

/** Standard errors by which these counts are on the good side of a margin; the better of the two where both are given. */
export function marginScore(counts: Counts, metric: PlannedMetric, margin: Margin): number {
  if (counts.n1 === 0 || counts.n0 === 0) return Number.NEGATIVE_INFINITY
  if (metric.kind === 'latency') return -scoreRatio(counts, 1)
  const { relative, absolute } = margin
  return Math.max(
    relative === undefined ? Number.NEGATIVE_INFINITY : ratioScore(metric, counts, relative),
    absolute === undefined ? Number.NEGATIVE_INFINITY : -scoreDifference(counts, absolute),
  )
}

/** Score statistic of the margin, above 0 on the good side of it. */
function ratioScore(metric: PlannedMetric, counts: Counts, theta: number): number {
  if (metric.kind === 'success_rate') return scoreRatio(successes(counts), theta)
  return metric.higherIsBetter ? scoreRatio(counts, theta) : -scoreRatio(counts, theta)
}

/** How many final looks are due: at half of the longest hold, and at its end. */
export function finalLooksDue({ elapsedMs, maxHoldMs }: StageTime): 0 | 1 | 2 {
  if (elapsedMs >= maxHoldMs) return 2
  return elapsedMs >= maxHoldMs / 2 ? 1 : 0
}

export interface StageTime {
  readonly elapsedMs: number
  readonly maxHoldMs: number
}

/** The test after this look: latched when shown; a final look is taken once each, at half of the longest hold and at its end. */
export function lookAtStage(
  test: StageTest,
  metric: PlannedMetric,
  margin: Margin,
  spread: Dispersion,
  armNoise: number,
  time: StageTime,
): StageTest {
  if (test.shown !== undefined) return test
  const log = stageEvidence(test, margin, spread, armNoise)
  return takeLook(test, log, () => marginScore(test.counts, metric, margin) / Math.sqrt(spread.factor), time)
}

/** What every test of a margin latches. */
export interface Looked {
  readonly looks: number
  readonly shown?: ShownBy
}

/** One look at any test of a margin: by its evidence, or by its standard errors on the good side where a final look is due. */
export function takeLook<T extends Looked>(test: T, logEvidence: number, score: () => number, time: StageTime): T {
  if (test.shown !== undefined) return test
  if (logEvidence >= logShown) return { ...test, shown: 'sequential' }
  const due = finalLooksDue(time)
  if (due <= test.looks) return test
  const passes = score() > (finalZ[due - 1] as number)
  return { ...test, looks: due, ...(passes ? { shown: due === 1 ? 'first-final-look' : 'second-final-look' } : {}) }
}

/** What earlier stages tell of a metric's traffic: predictable when the next stage begins. */
export interface Traffic {
  readonly total: number
  readonly bad: number
  /** Above the scaled limit, for latencies. */
  readonly scaledBad: number
  readonly ticks: number
}

export interface StageMargin {
  readonly margin: Margin
  /** True where the traffic cannot show any margin in this stage that would be worth showing. */
  readonly monitorOnly: boolean
}

/**
 * The margin of a stage (STATISTICS 5.3): the wanted one, or the narrowest that the expected traffic can show until the first final look,
 * up to `maxMargin`; beyond it the metric is only monitored. Gates are never widened. Without earlier traffic the wanted margin stands.
 */
export function stageMargin(
  metric: PlannedMetric,
  traffic: Traffic,
  stage: { readonly weight: number; readonly maxHoldMs: number },
  settings: { readonly tickMs: number; readonly maxMargin: number },
): StageMargin {
  const margin = metric.margin ?? {}
  if (metric.gated || traffic.ticks < 3 || traffic.total === 0) return { margin, monitorOnly: false }
  const expected = (traffic.total / traffic.ticks) * (stage.maxHoldMs / 2 / settings.tickMs)
  const n1 = (expected * stage.weight) / 100
  const rates = { p: (traffic.bad + 0.5) / (traffic.total + 1), above: (traffic.scaledBad + 0.5) / (traffic.total + 1) }
  return feasibleMargin(metric, margin, { n1, n0: expected - n1, ...rates }, { ...settings, widening: 1 })
}

/** What a stage has or will have to show a margin with. */
interface Sample {
  readonly n1: number
  readonly n0: number
  /** Pooled rate; for latencies of both arms above the limit, and above the scaled limit. */
  readonly p: number
  readonly above: number
}

interface Feasibility {
  readonly maxMargin: number
  /** D by which correlated requests widen variances. */
  readonly widening: number
}

function feasibleMargin(
  metric: PlannedMetric,
  margin: Margin,
  sample: Sample,
  { maxMargin, widening }: Feasibility,
): StageMargin {
  const { n1, n0, p } = sample
  if (n1 < 1 || n0 < 1) return { margin, monitorOnly: true }
  if (metric.kind === 'latency') return { margin, monitorOnly: latencyInformation(metric, sample) < widening * needed }
  const feasible = Math.exp(feasibleErrors * Math.sqrt(widening * ((1 - p) / (n1 * p) + (1 - p) / (n0 * p))))
  const absoluteError = Math.sqrt(widening * p * (1 - p) * (1 / n1 + 1 / n0))
  const absoluteHolds = margin.absolute !== undefined && margin.absolute >= feasibleErrors * absoluteError
  const { relative } = margin
  if (absoluteHolds || relative === undefined) return { margin, monitorOnly: !absoluteHolds }
  if (metric.kind === 'success_rate')
    return successMargin(margin, relative, (feasibleErrors * absoluteError) / (1 - p), p, maxMargin)
  const wanted = metric.down ? 1 / relative : relative
  if (wanted >= feasible) return { margin, monitorOnly: false }
  if (feasible > maxMargin) return { margin, monitorOnly: true }
  return { margin: { ...margin, relative: metric.down ? 1 / feasible : feasible }, monitorOnly: false }
}

/**
 * The margin of a guard when a final look is due: as `stageMargin`, of what the stage has brought and of how much users turned out to differ
 * (`factor`), which its beginning could not tell: STATISTICS 5.3 with the D of the stage. It depends on how much is known, not on what is
 * known of the difference. Never narrower than before; gates are never widened.
 */
export function marginAtFinalLook(
  test: StageTest,
  metric: PlannedMetric,
  before: StageMargin,
  { factor, armNoise, maxMargin }: { readonly factor: number; readonly armNoise: number; readonly maxMargin: number },
): StageMargin {
  const { counts } = test
  if (metric.gated || before.monitorOnly || test.total === 0) return before
  const isLatency = metric.kind === 'latency'
  const sample = {
    ...{ n1: counts.n1, n0: counts.n0, above: (test.scaledBad + 0.5) / (test.total + 1) },
    p: isLatency ? (test.bad + 0.5) / (test.total + 1) : (counts.x1 + counts.x0 + 0.5) / (counts.n1 + counts.n0 + 1),
  }
  const widening = factor + armNoise * armNoise * test.information
  return feasibleMargin(metric, before.margin, sample, { maxMargin, widening })
}

/** `width`: what can be shown of the share of successes, relative to it; at most `maxMargin` times the failures. */
function successMargin(margin: Margin, relative: number, width: number, p: number, maxMargin: number): StageMargin {
  if (1 - relative >= width) return { margin, monitorOnly: false }
  const widest = Math.min(((maxMargin - 1) * p) / (1 - p), 1 - 1 / maxMargin)
  if (!(width <= widest)) return { margin, monitorOnly: true }
  return { margin: { ...margin, relative: 1 - width }, monitorOnly: false }
}

/** Evidence that an equal canary's latencies have at a margin `feasibleErrors` standard errors wide: δ²I/2. */
const needed = feasibleErrors ** 2 / 2

/** The evidence that an equal canary is expected to bring. */
function latencyInformation(metric: PlannedMetric, { n1, n0, p, above }: Sample): number {
  const scaled = Math.min(above, p)
  const quantileRate = Math.max(p, (1 - (metric.limits?.quantile ?? 0.99)) / 10)
  return logLine({ n1, x1: n1 * scaled, n0, x0: n0 * quantileRate }, { p1: scaled, p0: quantileRate }, 1)
}
