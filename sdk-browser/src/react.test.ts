import { describe, expect, expectTypeOf, it } from 'vitest'
import type { PageClient } from './api.ts'
import { createHooks, PipitProvider, useDecision, usePipit, useTrack, useVariant } from './react.ts'

interface Rollouts {
  'checkout-v2': { readonly variant: 'stable' | 'canary'; readonly payload: { readonly color: string } | undefined }
  search: { readonly variant: 'stable' | 'a' | 'b'; readonly payload: undefined }
}

describe('typed hooks', () => {
  it('are the hooks', () => {
    expect(createHooks()).toEqual({ PipitProvider, useDecision, usePipit, useTrack, useVariant })
  })

  it('know rollouts, variants and payloads', () => {
    const typed = createHooks<Rollouts, 'checkout-v2'>()
    const bare = createHooks<Rollouts>()
    const uses = () => {
      expectTypeOf(typed.useVariant()).toEqualTypeOf<'stable' | 'canary'>()
      expectTypeOf(typed.useVariant('search')).toEqualTypeOf<'stable' | 'a' | 'b'>()
      expectTypeOf(typed.useDecision().payload).toEqualTypeOf<{ readonly color: string } | undefined>()
      expectTypeOf(typed.usePipit()).toEqualTypeOf<PageClient<Rollouts, 'checkout-v2'>>()
      // @ts-expect-error there is no such rollout
      typed.useVariant('serch')
      // @ts-expect-error which one is not said
      bare.useVariant()
      expectTypeOf(bare.useDecision('search').variant).toEqualTypeOf<'stable' | 'a' | 'b'>()
      expectTypeOf(useVariant('anything')).toEqualTypeOf<string>()
    }
    expectTypeOf(uses).toBeFunction()
  })
})
