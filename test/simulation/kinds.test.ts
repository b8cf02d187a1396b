import { describe, expect, it } from 'vitest'
import { harmfulKinds, harmlessKinds } from './kind-worlds.ts'
import { type KindWorld, simulateKind } from './kinds.ts'

/** A fixed part of `npm run simulate:kinds`. */
const seeds = [1, 2, 3, 4, 5]
const stoppedBy = (world: KindWorld) =>
  seeds
    .map((seed) => ({ seed, ...simulateKind(world, seed) }))
    .filter(({ label }) => label === 'revert' || label === 'pause')

describe('every kind of metric and check, on simulated users', () => {
  it.each(Object.entries(harmlessKinds))('stops nothing that is harmless: %s', (_, world) => {
    expect(stoppedBy(world)).toEqual([])
  })

  it.each(Object.entries(harmfulKinds))('stops what is harmful: %s', (_, world) => {
    expect(stoppedBy(world).map(({ seed }) => seed)).toEqual(seeds)
  })
})
