import { LatencySketch } from '@pipit/shared/sketch'
import { describe, expect, it } from 'vitest'
import { storedSketch } from './stored-sketch.ts'

describe('a stored sketch', () => {
  const sketch = new LatencySketch()
  for (const ms of [0, 5, 5, 5, 120, 120, 9000]) sketch.add(ms)
  for (let i = 0; i < 40_000; i++) sketch.add(50)

  it('is read in the text it is written in now', () => {
    expect(storedSketch(sketch.encode()).bins).toEqual(sketch.bins)
    expect(storedSketch('').count).toBe(0)
  })

  it('is read in the text of a database from before', () => {
    // 7 values at 0, 5, 120 and 9000 ms and 40 000 at 50 ms, as they were written then.
    expect(storedSketch('AAGvAwNzwLgCKwLZAQE').bins).toEqual(sketch.bins)
  })

  it('is empty where the text is none', () => {
    for (const text of ['*', 'A.', 'A.A', '____', 'AA']) expect(storedSketch(text).count).toBe(0)
  })
})
