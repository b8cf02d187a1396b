import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createHashQueue } from './hash-queue.ts'

describe('hashes that wait', () => {
  it('come out as they went in, first in first out', () => {
    const hash = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 })
    const step = fc.oneof(fc.array(hash, { maxLength: 120 }), fc.nat({ max: 150 }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const queue = createHashQueue()
        const model: string[] = []
        for (const step of steps) {
          if (typeof step === 'number') expect(queue.take(step)).toEqual(model.splice(0, step))
          else {
            for (const one of step) queue.push(one)
            model.push(...step)
          }
          expect(queue.length).toBe(model.length)
        }
        expect(queue.take(10_000)).toEqual(model)
      }),
    )
  })

  it('do so for many', () => {
    const queue = createHashQueue()
    const hashes = Array.from({ length: 20_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0).map((word) =>
      word.toString(16).padStart(8, '0').repeat(2),
    )
    for (const hash of hashes) queue.push(hash)
    expect([...queue.take(7), ...queue.take(9000), ...queue.take(50_000)]).toEqual(hashes)
    expect(queue.length).toBe(0)
  })
})
