/** A process full of connected SDKs, for `push.test.ts`: says when all are connected, and what they decide when asked. */
import { createClient } from '@pipit/sdk-node'

const [url = '', key = '', rollout = '', count = '0'] = process.argv.slice(2)

const sdks = Array.from({ length: Number(count) }, () => createClient({ url, key, rollout, cacheDir: false }))
process.on('message', (message) => {
  if (message === 'variants') process.send?.(sdks.map((sdk) => sdk.variant('anybody')))
})
process.on('disconnect', () => process.exit(0))

const isConnected = (): boolean => sdks.every((sdk) => sdk.status().transport === 'socket')
await Promise.all(sdks.map((sdk) => sdk.ready({ timeoutMs: 20_000 })))
while (!isConnected()) await new Promise((resolve) => setTimeout(resolve, 25))
process.send?.('connected')
