/** Connections that look open and carry nothing any more, over real TCP. */
import { createServer, connect as dial, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { createClient } from '../index.ts'
import { listen, type ScriptedServer, startScriptedServer } from '../scripted-server.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

interface Proxy {
  readonly url: string
  /** What is open now carries nothing any more, and nobody is told. */
  freeze(): void
  /** New ones since the start. */
  readonly connections: number
}

async function proxyTo(target: string): Promise<Proxy> {
  const { port, hostname } = new URL(target)
  const pairs: [Socket, Socket][] = []
  let connections = 0
  const server = createServer((near) => {
    connections++
    const far = dial(Number(port), hostname)
    pairs.push([near, far])
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.pipe(far)
    far.pipe(near)
  })
  cleanUps.push(() => {
    for (const socket of pairs.flat()) socket.destroy()
    server.close()
  })
  return {
    url: await listen(server),
    freeze() {
      for (const [near, far] of pairs) {
        near.unpipe(far)
        far.unpipe(near)
        near.pause()
        far.pause()
      }
    },
    get connections() {
      return connections
    },
  }
}

it('gives up a connection through which nothing comes any more, and makes another that loses nothing', async () => {
  const server: ScriptedServer = await startScriptedServer({}, 200)
  cleanUps.push(() => server.stop())
  const proxy = await proxyTo(server.url)
  const sdk = createClient({
    ...{ url: proxy.url, key: 'srv_x', rollout: 'checkout', cacheDir: false },
    logger: { warn: () => undefined },
  })
  cleanUps.push(() => sdk.close({ timeoutMs: 0 }))
  expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
  proxy.freeze()
  sdk.outcome(sdk.decide('user-1'), { ok: true })
  await expect.poll(() => sdk.status().connected).toBe(false)
  await expect.poll(() => sdk.status().connected).toBe(true)
  expect(proxy.connections).toBeGreaterThanOrEqual(2)
  expect(await sdk.flush({ timeoutMs: 20_000 })).toBe(true)
  const outcomes = server.reports.flatMap((report) => (report.seq === 1 ? (report.outcomes ?? []) : []))
  expect(outcomes.map(({ buckets }) => buckets[1])).toEqual([1])
})
