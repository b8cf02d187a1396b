import type { Random } from '../clock/index.ts'
import { type Hello, protocolVersion } from '../protocol/index.ts'
import type { ClientPlatform } from './platform.ts'

/** Servers and proxies refuse long headers. */
const maxLabelsHeader = 4096

/** How an SDK says who it is: on a socket once, over HTTP with every request. */
export interface Introduction {
  readonly hello: (version: number | undefined) => Hello
  readonly headers: { readonly [name: string]: string }
}

export function createIntroduction(
  { sdk, random }: Pick<ClientPlatform, 'sdk' | 'random'>,
  key: string,
  labels: Hello['labels'],
): Introduction {
  const instance = randomId(random)
  const encoded = labels === undefined ? '' : encodeURIComponent(JSON.stringify(labels))
  return {
    hello: (version) => ({
      type: 'hello',
      protocol: protocolVersion,
      sdk,
      instance,
      ...(version === undefined ? {} : { version }),
      ...(labels === undefined ? {} : { labels }),
    }),
    headers: {
      authorization: `Bearer ${key}`,
      'x-pipit-instance': instance,
      'x-pipit-sdk': `${sdk.name}/${sdk.version}`,
      ...(encoded === '' || encoded.length > maxLabelsHeader ? {} : { 'x-pipit-labels': encoded }),
    },
  }
}

function randomId(random: Random): string {
  let id = ''
  while (id.length < 20) id += Math.floor(random() * 36).toString(36)
  return id
}
