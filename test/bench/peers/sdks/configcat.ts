import { getClient, type IConfigCatCache, PollingMode, SettingType, User, UserComparator } from '@configcat/sdk'
import type { Peer } from '../peer.ts'

const served = (name: string) => ({ v: { s: name }, i: name })
const oneOf = (attribute: string, values: string[]) => ({
  c: [{ u: { a: attribute, c: UserComparator.TextIsOneOf, l: values } }],
  s: served('canary'),
})

const setting = {
  t: SettingType.String,
  r: [oneOf('plan', ['beta', 'internal']), oneOf('Country', ['NL'])],
  p: [
    { p: 10, ...served('canary') },
    { p: 90, ...served('stable') },
  ],
  ...served('stable'),
}

export const configcat: Peer = {
  package: '@configcat/sdk',
  call: 'snapshot().getValue',
  setUp: 'config from a cache, manual polling, offline; one snapshot for all calls',
  bar: 15,
  async prepare(keys, users) {
    const config = {
      p: { u: 'http://127.0.0.1:1', r: 0, s: 'salt' },
      f: Object.fromEntries(keys.map((key) => [key, setting])),
    }
    const text = `${Date.now()}\n"1"\n${JSON.stringify(config)}`
    const cache: IConfigCatCache = { get: () => text, set() {} }
    const client = getClient('configcat-sdk-1/0123456789012345678901/0123456789012345678901', PollingMode.ManualPoll, {
      cache,
      offline: true,
    })
    await client.waitForReady()
    const snapshot = client.snapshot()
    const own = users.map(({ id, plan, country }) => new User(id, undefined, country, { plan }))
    return {
      ask: (key, at) => snapshot.getValue(key, 'stable', own[at] as never),
      canary: 'canary',
      close: () => client.dispose(),
    }
  },
}
