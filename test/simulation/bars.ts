import type { Scenario } from './scenarios.ts'
import { type Summary, upperBound } from './summary.ts'

/** Runs from which a share of false reverts is held to its upper 95 % bound; with fewer it must not be proven to be above the bar. */
const enough = 2000
/** Runs from which the ratio of two medians is known to 5 %. */
const enoughForMedians = 500
const falseReverts = { most: 0.01, bound: 0.015 } as const
const speed = 1.3
const completes = 0.95
const passesGate = 0.05
const covers = 0.99

export const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)} %`

/** The median canary requests of the judge over those of Wald's test at the same share of false reverts. */
export function speedRatio({ judge, rivals }: Summary): number | undefined {
  const ratio = judge.medianRequests / rivals.matched.medianRequests
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined
}

/** What a scenario has missed, in sentences; nothing where it has shown all it has to. */
export function missesOf(scenario: Scenario, summary: Summary): readonly string[] {
  const blind = summary.blindAdvances > 0 ? [`${summary.blindAdvances} advances without any evidence`] : []
  if (scenario.exempt !== undefined) return blind
  return [...blind, ...missesOfKind(scenario, summary)]
}

function missesOfKind(scenario: Scenario, summary: Summary): readonly string[] {
  switch (scenario.kind) {
    case 'harmless':
      return harmlessMisses(summary)
    case 'harmful':
      return harmfulMisses(scenario, summary)
    case 'advance':
      return scenario.world.harm === undefined ? [...harmlessMisses(summary), ...completion(summary)] : []
    case 'gate':
      return provenAbove(summary.succeeded, summary.runs, passesGate)
        ? [
            `${percent(summary.succeeded / summary.runs)} of the canaries at the margin passed, more than ${percent(passesGate, 0)}`,
          ]
        : []
    case 'coverage':
      return Object.entries(summary.uncovered)
        .filter(([, missed]) => provenAbove(missed, summary.runs, 1 - covers))
        .map(
          ([metric, missed]) =>
            `the interval of ${metric} missed the truth in ${percent(missed / summary.runs)} of the runs`,
        )
  }
}

function harmlessMisses({ reverted, runs, revertedAtMost, revertedAtLeast }: Summary): readonly string[] {
  const isAbove = runs >= enough ? revertedAtMost > falseReverts.bound : revertedAtLeast > falseReverts.most
  if (!isAbove) return []
  return [
    `${percent(reverted / runs)} of harmless rollouts were reverted (at most ${percent(revertedAtMost)} with 95 % confidence)`,
  ]
}

function harmfulMisses({ detects, published }: Scenario, summary: Summary): readonly string[] {
  const { share } = summary.judge
  const misses: string[] = []
  const missed = Math.round((1 - share) * summary.runs)
  if (detects !== undefined && provenAbove(missed, summary.runs, 1 - detects))
    misses.push(`only ${percent(share)} of the harm was found, less than ${percent(detects, 0)}`)
  const ratio = speedRatio(summary)
  const isAttainable = published?.ratio !== undefined && published.ratio <= speed
  if (isAttainable && summary.runs >= enoughForMedians && ratio !== undefined && ratio > speed)
    misses.push(`the median is ${ratio.toFixed(2)} times Wald's, more than ${speed}`)
  return misses
}

function completion({ succeeded, runs }: Summary): readonly string[] {
  return provenAbove(runs - succeeded, runs, 1 - completes)
    ? [`only ${percent(succeeded / runs)} of harmless rollouts completed the ramp by themselves`]
    : []
}

/** Whether `x` of `n` shows with 95 % confidence that the true share is above `share`. */
function provenAbove(x: number, n: number, share: number): boolean {
  return x > 0 && 1 - upperBound(n - x, n) > share
}
