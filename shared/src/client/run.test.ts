import { describe, expect, it } from 'vitest'
import type { Ruleset, RulesetRollout } from '../rules/index.ts'
import { createFakeClock, createFakeServer, seededRandom } from '../testing/index.ts'
import { createClientCore } from './core.ts'

/** Decided for good, each its own way, so that it is plain which rollout answered. */
const served = (winner: string): RulesetRollout => ({
  phase: 'succeeded',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  weight: 100,
  winner,
  variants: [{ name: 'stable' }, { name: 'canary', payload: { by: winner } }, { name: 'other' }],
})

const ruleset: Ruleset = {
  version: 1,
  environment: 'production',
  unitSalt: 'unit-salt-012345',
  rollouts: { checkout: served('canary'), search: served('other') },
  cohorts: {},
}

async function setup() {
  const clock = createFakeClock()
  const random = seededRandom(1)
  const { connect, request } = createFakeServer(clock, random, ruleset)
  const platform = {
    sdk: { name: 'test', version: '1' },
    clock,
    random,
    connect,
    request,
    log: { warn: () => undefined },
  }
  const sdk = createClientCore(platform, { url: 'http://127.0.0.1:4400', key: 'srv_x', rollout: 'checkout' })
  await clock.advance(10)
  return sdk
}

describe('the rollout of a call', () => {
  it('is the default one, or named by its key, or named in options', async () => {
    const sdk = await setup()
    expect(sdk.variant('user-1')).toBe('canary')
    expect(sdk.variant('user-1', 'search')).toBe('other')
    expect(sdk.variant('user-1', { rollout: 'search' })).toBe('other')
    expect(sdk.decide('user-1', 'search')).toMatchObject({ rollout: 'search', variant: 'other' })
    expect(sdk.decide('user-1', {})).toMatchObject({ rollout: 'checkout', payload: { by: 'canary' } })
  })

  it('is named by its key for run too', async () => {
    const sdk = await setup()
    const paths = { stable: () => 'stable', canary: () => 'canary', other: () => 'other' }
    expect(await sdk.run('user-1', paths, 'search')).toBe('other')
    expect(await sdk.run('user-1', paths, { rollout: 'search' })).toBe('other')
    expect(await sdk.run('user-1', paths)).toBe('canary')
  })

  it('is served as stable where there is none of that key', async () => {
    const sdk = await setup()
    expect(sdk.decide('user-1', 'serch')).toMatchObject({
      rollout: 'serch',
      variant: 'stable',
      reason: 'unknown-rollout',
    })
    expect(sdk.decide('user-1', '')).toMatchObject({ rollout: '', variant: 'stable', reason: 'unknown-rollout' })
  })
})
