import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addTick, type HarmProcess, logEvidence, newHarmProcess, prune, startSegment } from './harm-process.ts'

const settings = { down: false, prior: 0.01, null: { kind: 'stable' }, planned: 4 } as const
const noSpread = () => ({ factor: 1, degrees: Number.POSITIVE_INFINITY })
const evidence = (process: HarmProcess): number => logEvidence(process, false, 0, noSpread)
const empty = { n1: 0, x1: 0, n0: 0, x0: 0 }

describe('the harm process', () => {
  it('spends masses of at most 1, whenever it begins and however many epochs people make', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 6 }),
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        fc.boolean(),
        (begins, planned, epochs, within) => {
          let process = newHarmProcess(false, begins)
          const lengths = within ? [30, ...epochs] : epochs
          lengths.forEach((ticks, i) => {
            if (!(within && i === 0)) process = startSegment(process)
            for (let tick = 0; tick < ticks; tick++) process = addTick(process, empty, { ...settings, planned })
          })
          expect(process.spent).toBeLessThanOrEqual(1)
          expect(evidence(process)).toBeCloseTo(0, 6)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('still finds harm that begins late, and forgets nothing that matters when it prunes', () => {
    let pruned = startSegment(newHarmProcess(false))
    let whole = pruned
    for (let tick = 0; tick < 3000; tick++) {
      const counts = { n1: 100, x1: tick < 2900 ? 1 : 3, n0: 1900, x0: 19 }
      pruned = prune(addTick(pruned, counts, settings), false)
      whole = addTick(whole, counts, settings)
    }
    expect(evidence(pruned)).toBeGreaterThan(Math.log(100))
    expect(evidence(pruned)).toBeCloseTo(evidence(whole), 6)
    expect(pruned.starts.length).toBeLessThan(80)
    expect(whole.starts.length).toBe(250)
  })

  it('does not care whether ticks without traffic lie between', () => {
    const counts = { n1: 100, x1: 4, n0: 100, x0: 1 }
    let process = startSegment(newHarmProcess(false))
    for (let tick = 0; tick < 5; tick++) process = addTick(process, counts, settings)
    const before = evidence(process)
    for (let tick = 0; tick < 5; tick++) process = addTick(process, empty, settings)
    expect(evidence(process)).toBe(before)
  })
})
