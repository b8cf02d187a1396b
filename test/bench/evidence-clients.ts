/** A process of SDKs for `evidence.ts`: told a moment, each records one outcome at it, and says when that was. */
import { createClient } from '@pipit/sdk-node'

const [url = '', key = '', count = '0'] = process.argv.slice(2)
const sdks = Array.from({ length: Number(count) }, () =>
  createClient({ url, key, rollout: 'watched', cacheDir: false, logger: { warn() {} } }),
)
let users = 0

process.on('disconnect', () => process.exit(0))
process.on('message', (at) => {
  setTimeout(() => {
    const began = Date.now()
    for (const sdk of sdks) sdk.outcome(sdk.decide(`user-${users++}`), { ok: true, latencyMs: 20 })
    process.send?.(began)
  }, Number(at) - Date.now())
})
for (const sdk of sdks) await sdk.ready({ timeoutMs: 30_000 })
// Their sockets are open, and reports spread over the interval.
while (!sdks.every((sdk) => sdk.status().connected)) await new Promise((resolve) => setTimeout(resolve, 50))
process.send?.('ready')
