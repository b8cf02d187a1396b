import { describe, expect, it } from 'vitest'
import { ramp, runRollout } from './run-rollout.ts'
import { summarise } from './summary.ts'
import { worlds } from './worlds.ts'

/** A fixed part of `npm run simulate`. A failure can be run again with `npm run simulate -- --seed <seed> --runs <runs>`. */
const firstSeed = 1
const run = (world: keyof typeof worlds, runs: number) => {
  const definition = ramp()
  return summarise(Array.from({ length: runs }, (_, i) => runRollout(worlds[world], definition, firstSeed + i)))
}

describe(`rollouts on simulated traffic, seeds from ${firstSeed}`, () => {
  it('lets harmless canaries through', () => {
    const harmless = run('harmless', 40)
    expect(harmless.reverted).toBeLessThanOrEqual(1)
    expect(harmless.succeeded).toBeGreaterThanOrEqual(39)
  })

  it('takes doubled error rates back, about as soon as can be', () => {
    const doubled = run('doubledErrors', 100)
    expect(doubled.reverted).toBe(100)
    // The published median is 1360 canary requests; 1.3 times it is the bar.
    expect(doubled.medianCanaryRequests).toBeLessThanOrEqual(1768)
  })

  it('takes slower canaries back', () => {
    expect(run('slower', 30).reverted).toBe(30)
  })

  it('gives the same result for the same seed', () => {
    const definition = ramp()
    expect(runRollout(worlds.doubledErrors, definition, 7)).toEqual(runRollout(worlds.doubledErrors, definition, 7))
  })
})
