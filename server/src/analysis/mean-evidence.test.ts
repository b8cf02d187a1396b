import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { contrastEvidence, meanContrast, meanEvidence } from './mean-evidence.ts'

interface BucketCase {
  readonly y1: readonly number[]
  readonly n1: readonly number[]
  readonly y0: readonly number[]
  readonly n0: readonly number[]
  readonly down: boolean
  readonly mean1: number
  readonly mean0: number
  readonly V1: number
  readonly V0: number
  readonly V: number
  readonly nu: number
  readonly logE: number
}

const golden = JSON.parse(readFileSync(new URL('./golden/ratio_variance.json', import.meta.url), 'utf8')) as {
  readonly meta: { readonly rtol: number; readonly atol: number }
  readonly cases: { readonly bucket: readonly BucketCase[] }
}

const arm = (y: number[], d: number[]) => ({ y: Float64Array.from(y), d: Float64Array.from(d) })

describe('evidence about means per unit', () => {
  it.each(golden.cases.bucket.map((entry, i) => [i, entry] as const))('agrees with golden case %i', (_, entry) => {
    const near = (got: number, want: number): void =>
      expect(Math.abs(got - want)).toBeLessThanOrEqual(golden.meta.atol + golden.meta.rtol * Math.abs(want))
    const contrast = meanContrast({ y: entry.y1, d: entry.n1 }, { y: entry.y0, d: entry.n0 })
    if (contrast === undefined) throw new Error('both arms have units')
    near(contrast.canary, entry.mean1)
    near(contrast.stable, entry.mean0)
    near(contrast.canaryVariance, entry.V1)
    near(contrast.stableVariance, entry.V0)
    near(contrast.variance, entry.V)
    near(contrast.degrees, entry.nu)
    near(meanEvidence(contrast, entry.down), entry.logE)
  })

  it('says nothing about an empty arm, and 1:1 where nothing varies', () => {
    expect(meanContrast(arm([0, 0], [0, 0]), arm([1, 2], [1, 1]))).toBeUndefined()
    const same = meanContrast(arm([2, 2], [1, 1]), arm([2, 2], [1, 1]))
    expect(same?.variance).toBe(0)
    expect(same === undefined ? Number.NaN : meanEvidence(same, true)).toBeCloseTo(0, 12)
  })

  it('is the mirror image for better and worse, and grows with the difference', () => {
    const stable = arm([10, 11, 9, 10], [1, 1, 1, 1])
    const log = (canary: readonly number[], down: boolean): number => {
      const contrast = meanContrast(arm([...canary], [1, 1, 1, 1]), stable)
      return contrast === undefined ? Number.NaN : meanEvidence(contrast, down)
    }
    expect(log([5, 6, 4, 5], true)).toBeGreaterThan(log([8, 9, 7, 8], true))
    expect(log([15, 16, 14, 15], false)).toBeGreaterThan(0)
    expect(log([15, 16, 14, 15], true)).toBeLessThan(0)
  })

  it('measures against a margin: a canary at θ times stable has no difference left', () => {
    const contrast = meanContrast(arm([9, 9.9, 8.1, 9], [1, 1, 1, 1]), arm([10, 11, 9, 10], [1, 1, 1, 1]), 0.9)
    expect(contrast?.difference).toBeCloseTo(0, 12)
    expect(contrast === undefined ? Number.NaN : contrastEvidence(contrast, 1)).toBeLessThan(0)
  })
})
