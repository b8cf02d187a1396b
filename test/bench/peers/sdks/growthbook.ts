import { GrowthBookClient } from '@growthbook/growthbook'
import type { Peer } from '../peer.ts'

const rules = [
  { condition: { plan: { $in: ['beta', 'internal'] } }, force: 'canary' },
  { condition: { country: 'NL' }, force: 'canary' },
  { force: 'canary', coverage: 0.1, hashAttribute: 'id', hashVersion: 2 },
]

export const growthbook: Peer = {
  package: '@growthbook/growthbook',
  call: 'GrowthBookClient.getFeatureValue',
  setUp: 'initSync with a payload; no tracking callback',
  bar: 15,
  prepare(keys, users) {
    const features = Object.fromEntries(
      keys.map((key) => [key, { defaultValue: 'stable', rules: rules.map((rule) => ({ ...rule, seed: key })) }]),
    )
    const client = new GrowthBookClient().initSync({ payload: { features } })
    const contexts = users.map(({ id, plan, country }) => ({ attributes: { id, plan, country } }))
    return {
      ask: (key, at) => client.getFeatureValue(key, 'stable', contexts[at] ?? {}),
      canary: 'canary',
      close: () => client.destroy(),
    }
  },
}
