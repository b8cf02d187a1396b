import { InMemStorageProvider, Unleash } from 'unleash-client'
import type { Peer } from '../peer.ts'

const any = { rollout: '100', stickiness: 'userId' }
const constraint = (contextName: string, values: string[]) => ({
  contextName,
  operator: 'IN' as never,
  values,
  inverted: false,
})

const feature = (name: string) => ({
  name,
  enabled: true,
  strategies: [
    { name: 'flexibleRollout', parameters: any, constraints: [constraint('plan', ['beta', 'internal'])] },
    { name: 'flexibleRollout', parameters: any, constraints: [constraint('country', ['NL'])] },
    { name: 'flexibleRollout', parameters: { rollout: '10', stickiness: 'userId', groupId: name }, constraints: [] },
  ],
})

export const unleash: Peer = {
  package: 'unleash-client',
  call: 'isEnabled',
  setUp: 'bootstrap data, storage in memory, disableMetrics, no refresh; three flexibleRollout strategies',
  bar: 15,
  async prepare(keys, users) {
    const client = new Unleash({
      appName: 'bench',
      url: 'http://127.0.0.1:1/',
      disableMetrics: true,
      refreshInterval: 0,
      bootstrap: { data: keys.map(feature) },
      storageProvider: new InMemStorageProvider(),
      skipInstanceCountWarning: true,
    })
    client.on('error', () => {})
    client.on('warn', () => {})
    await new Promise<void>((ready) => client.once('ready', ready))
    const contexts = users.map(({ id, plan, country }) => ({ userId: id, properties: { plan, country } }))
    return { ask: (key, at) => client.isEnabled(key, contexts[at]), canary: true, close: () => client.destroy() }
  },
}
