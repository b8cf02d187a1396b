/**
 * `node --expose-gc sdk-memory-child.ts <situation> [url]`: what is in the memory of a process with an SDK; without a url, of one that does the
 * same without, with what an SDK stands on loaded.
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { createClient } from '@pipit/sdk-node'
import { WebSocket } from 'ws'

type Client = Pick<ReturnType<typeof createClient>, 'decide' | 'outcome' | 'flush'>

const rollout = { rollout: 'checkout' }

/** What happens in the process, by name. */
const situations: { readonly [name: string]: (sdk: Client) => Promise<unknown> } = {
  idle: () => wait(100),
  async outcomes(sdk) {
    for (let i = 0; i < 1_000_000; i++) {
      sdk.outcome(sdk.decide(`user-${i % 20_000}`, rollout), { ok: i % 50 !== 0, latencyMs: 5 + (i % 400) })
      if (i % 20_000 === 0) await wait(5)
    }
    await sdk.flush()
  },
  async people(sdk) {
    for (let i = 0; i < 200_000; i++) {
      sdk.decide(`person-${i}`, rollout)
      if (i % 2000 === 0) await wait(20)
    }
    await sdk.flush()
  },
  /** An hour without the server at 300 outcomes a second by 50 000 users; what is measured is what waits. */
  async outage(sdk) {
    await wait(200)
    for (let i = 0; i < 1_080_000; i++) {
      sdk.outcome(sdk.decide(`user-${i % 50_000}`, rollout), { ok: i % 50 !== 0, latencyMs: 5 + (i % 400) })
      if (i % 20_000 === 0) await wait(5)
    }
  },
}

async function connected(url: string): Promise<Client> {
  const { createClient } = await import('@pipit/sdk-node')
  const sdk = createClient({ url, key: 'srv_bench', cacheDir: false, logger: { warn: () => undefined } })
  if (!(await sdk.ready({ timeoutMs: 20_000 }))) throw new Error('the SDK was not ready')
  return sdk
}

/** What the application does all the same: it looks at its users, and makes objects. */
const without: Client = {
  decide: (user) => ({
    ...{ rollout: 'checkout', variant: 'stable', payload: undefined, reason: 'split', rule: undefined, stage: 'half' },
    ...{ epoch: 1, version: 1, randomised: true, unit: String(user) },
  }),
  outcome: () => undefined,
  flush: async () => true,
}

const [name = 'idle', url] = process.argv.slice(2)
const sdk = url === undefined ? without : await connected(url)
await situations[name]?.(sdk)
/** Kept until it was measured. */
const kept: unknown[] = [sdk, WebSocket, request, createHash, stat]
await wait(200)
for (let i = 0; i < 4; i++) {
  globalThis.gc?.()
  await wait(20)
}
const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
process.send?.({ heapUsed, arrayBuffers, rss, kept: kept.length }, () => process.exit())
