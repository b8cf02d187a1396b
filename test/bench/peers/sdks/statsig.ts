import statsigModule from 'statsig-node'
import type { Peer } from '../peer.ts'

/** A CommonJS module with a default export of its own. */
const statsig = statsigModule.default

const rule = (id: string, passPercentage: number, conditions: readonly object[]) => ({
  name: id,
  id,
  salt: id,
  passPercentage,
  conditions,
  returnValue: true,
  idType: 'userID',
})

const gate = (name: string) => ({
  name,
  type: 'feature_gate',
  salt: name,
  enabled: true,
  defaultValue: false,
  idType: 'userID',
  entity: 'feature_gate',
  rules: [
    rule('insiders', 100, [
      { type: 'user_field', field: 'plan', operator: 'any_case_sensitive', targetValue: ['beta', 'internal'] },
    ]),
    rule('dutch', 100, [{ type: 'user_field', field: 'country', operator: 'any_case_sensitive', targetValue: ['NL'] }]),
    rule('rest', 10, [{ type: 'public' }]),
  ],
})

export const statsigNode: Peer = {
  package: 'statsig-node',
  call: 'checkGateWithExposureLoggingDisabledSync',
  setUp: 'bootstrapValues, localMode; it remembers the hashes of users it has seen',
  bar: 10,
  async prepare(keys, users) {
    await statsig.initialize('secret-bench', {
      localMode: true,
      disableDiagnostics: true,
      initStrategyForIP3Country: 'none',
      initStrategyForIDLists: 'none',
      bootstrapValues: JSON.stringify({
        has_updates: true,
        time: 1,
        feature_gates: keys.map(gate),
        dynamic_configs: [],
        layer_configs: [],
      }),
    })
    const own = users.map(({ id, plan, country }) => ({ userID: id, country, custom: { plan } }))
    return {
      ask: (key, at) => statsig.checkGateWithExposureLoggingDisabledSync(own[at] as never, key),
      canary: true,
      close: () => statsig.shutdown(),
    }
  },
}
