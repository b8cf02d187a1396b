import { createInstance } from '@featurevisor/sdk'
import type { Peer } from '../peer.ts'

const whole = 100_000
const all = [{ variation: 'canary', range: [0, whole] as [number, number] }]

const feature = (key: string) => ({
  key,
  bucketBy: 'userId',
  hash: key,
  variations: [{ value: 'stable' }, { value: 'canary' }],
  traffic: [
    { key: 'insiders', segments: 'insiders', percentage: whole, variation: 'canary', allocation: all },
    { key: 'dutch', segments: 'dutch', percentage: whole, variation: 'canary', allocation: all },
    {
      key: 'rest',
      segments: '*',
      percentage: whole,
      allocation: [
        { variation: 'canary', range: [0, whole / 10] as [number, number] },
        { variation: 'stable', range: [whole / 10, whole] as [number, number] },
      ],
    },
  ],
})

export const featurevisor: Peer = {
  package: '@featurevisor/sdk',
  call: 'getVariation',
  setUp: 'createInstance with a datafile of schema 2; log level error',
  bar: 15,
  prepare(keys, users) {
    const instance = createInstance({
      logLevel: 'error',
      datafile: {
        schemaVersion: '2',
        revision: '1',
        segments: {
          insiders: { conditions: [{ attribute: 'plan', operator: 'in', value: ['beta', 'internal'] }] },
          dutch: { conditions: [{ attribute: 'country', operator: 'equals', value: 'NL' }] },
        },
        features: Object.fromEntries(keys.map((key) => [key, feature(key)])),
      },
    })
    const contexts = users.map(({ id, plan, country }) => ({ userId: id, plan, country }))
    return {
      ask: (key, at) => instance.getVariation(key, contexts[at]),
      canary: 'canary',
      close: () => instance.close(),
    }
  },
}
