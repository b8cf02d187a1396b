import { readFileSync } from 'node:fs'
import type { ControlPlane } from './control-plane.ts'

/** One rollout of the demo, and how it has to end. */
export interface Act {
  readonly key: string
  readonly expected: 'succeeded' | 'reverted' | 'paused'
  /** What is wrong with its canary, for people. */
  readonly what: string
  /** The share of users that its one comparison stage lets in, in percent, where it has just one. */
  readonly onlyWeight?: number
}

export const acts: readonly Act[] = [
  { key: 'cart-v2', expected: 'succeeded', what: 'nothing: as good as stable' },
  { key: 'search-v3', expected: 'reverted', what: 'errors double (2 % → 4 %)', onlyWeight: 25 },
  { key: 'product-page-v2', expected: 'reverted', what: 'p99 is 2.5 times as long', onlyWeight: 10 },
  { key: 'checkout-v2', expected: 'paused', what: 'works, but sells 30 % less', onlyWeight: 50 },
]

/** Defines cohorts and rollouts and starts them, as a team would by the API. */
export async function define(plane: ControlPlane): Promise<void> {
  await plane.call('POST', '/cohorts', { key: 'internal', when: { email: { $regex: '@shop\\.example$' } } })
  await plane.call('POST', '/cohorts', { key: 'beta', when: { plan: 'beta' } })
  for (const act of acts) {
    const file = readFileSync(new URL(`./rollouts/${act.key}.yaml`, import.meta.url), 'utf8')
    await plane.call('POST', '/rollouts', file, 'application/yaml')
    await plane.call('POST', `/rollouts/${act.key}/start`, { reason: 'the demo begins' })
  }
}
