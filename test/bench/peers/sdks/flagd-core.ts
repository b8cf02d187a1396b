import { FlagdCore } from '@openfeature/flagd-core'
import type { Peer } from '../peer.ts'

const flag = {
  state: 'ENABLED',
  variants: { stable: 'stable', canary: 'canary' },
  defaultVariant: 'stable',
  targeting: {
    if: [
      { in: [{ var: 'plan' }, ['beta', 'internal']] },
      'canary',
      { '==': [{ var: 'country' }, 'NL'] },
      'canary',
      {
        fractional: [
          ['canary', 10],
          ['stable', 90],
        ],
      },
    ],
  },
}

const quiet = { debug() {}, info() {}, warn() {}, error: console.error }

const flagd = (disableDynamicCodeGeneration: boolean, how: string): Peer => ({
  package: '@openfeature/flagd-core',
  call: 'resolveStringEvaluation',
  setUp: `setConfigurations with the flags as text; ${how}`,
  bar: 5,
  prepare(keys, users) {
    const core = new FlagdCore(undefined, quiet, { disableDynamicCodeGeneration })
    core.setConfigurations(JSON.stringify({ flags: Object.fromEntries(keys.map((key) => [key, flag])) }))
    const contexts = users.map(({ id, plan, country }) => ({ targetingKey: id, plan, country }))
    return {
      ask: (key, at) => core.resolveStringEvaluation(key, 'stable', contexts[at], quiet).value,
      canary: 'canary',
      close() {},
    }
  },
})

export const flagdCompiled = flagd(false, 'targeting compiled by new Function (its default)')
export const flagdInterpreted = flagd(true, 'disableDynamicCodeGeneration (no new Function)')
