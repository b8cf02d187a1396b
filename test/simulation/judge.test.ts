import { describe, expect, it } from 'vitest'
import { missesOf } from './bars.ts'
import { scenarios } from './scenarios.ts'
import { simulate } from './simulate.ts'
import { summarise } from './summary.ts'

/** A fixed part of `npm run simulate`. */
const firstSeed = 1

const known = new Map<string, ReturnType<typeof runNow>>()

/** Two tests may look at the same runs. */
function run(name: string, runs: number): ReturnType<typeof runNow> {
  const found = known.get(`${name} ${runs}`) ?? runNow(name, runs)
  known.set(`${name} ${runs}`, found)
  return found
}

function runNow(name: string, runs: number) {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`there is no scenario "${name}"`)
  const summary = summarise(Array.from({ length: runs }, (_, i) => simulate(scenario, firstSeed + i)))
  const again = `again: npm run simulate -- --only "${name}" --seed ${firstSeed} --runs ${runs}`
  return { summary, misses: missesOf(scenario, summary), again }
}

describe(`rollouts on simulated traffic, seeds from ${firstSeed}`, () => {
  it.each([
    ['errors 1 %', 12],
    ['users skewed 1000x', 10],
    ['retry storms (30 % of errors)', 10],
    ['everything', 10],
    ['late, lost, doubled reports', 8],
  ])('takes no harmless canary back: %s, %i runs', (name, runs) => {
    const { summary, again } = run(name, runs)
    expect(summary.reverted, again).toBe(0)
    expect(summary.undecided, again).toBe(0)
  })

  it.each([
    ['errors 1 % to 2 %', 100],
    ['errors 1 % to 2 %, skewed', 20],
    ['errors x2 after promotion', 20],
    ['all latencies +50 %', 30],
    ['tail +50 %', 20],
  ])('takes harmful canaries back: %s, %i runs', (name, runs) => {
    const { summary, misses, again } = run(name, runs)
    expect(misses, again).toEqual([])
    expect(summary.reverted, again).toBe(runs)
  })

  it('finds doubled errors about as soon as can be', () => {
    const { summary, again } = run('errors 1 % to 2 %', 100)
    // The published median is 1360 canary requests; 1.3 times it is the bar.
    expect(summary.judge.medianRequests, again).toBeLessThanOrEqual(1768)
  })

  it('lets harmless canaries through by itself, none without evidence', () => {
    const { summary, again } = run('advance: harmless', 25)
    expect(summary.succeeded, again).toBeGreaterThanOrEqual(24)
    expect(summary.blindAdvances, again).toBe(0)
  })

  it('keeps canaries that are as bad as a gate still allows', () => {
    const { misses, again } = run('gate: errors x1.3 at 25 %', 20)
    expect(misses, again).toEqual([])
  })

  it('gives the same rollout for the same seed', () => {
    const { 'errors 1 % to 2 %': doubled } = scenarios
    if (doubled === undefined) throw new Error('the scenario is gone')
    expect(simulate(doubled, 7)).toEqual(simulate(doubled, 7))
  })
})
