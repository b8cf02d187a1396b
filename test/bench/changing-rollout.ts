/** The environment of the benchmarks on sockets: some rollouts, one of which changes. */
import type { TestServer } from '../support/server.ts'

const rollouts = 21

export const socketUrl = (server: TestServer): string => `${server.url.replace('http', 'ws')}/sdk/v1/connect`

/** How a bare client greets that holds a version, or none; each has its own name for INSTANCE. */
export const greeting = (version?: number): string =>
  JSON.stringify({
    ...{ type: 'hello', protocol: 1, sdk: { name: 'bench', version: '0' }, instance: 'INSTANCE' },
    ...(version === undefined ? {} : { version }),
  })

/** The version of the ruleset that is served now. */
export async function servedVersion({ url, serverKey }: TestServer): Promise<number> {
  const headers = {
    authorization: `Bearer ${serverKey}`,
    'x-pipit-instance': 'bench-version',
    'x-pipit-sdk': 'bench/0',
  }
  const { ruleset } = (await (await fetch(`${url}/sdk/v1/ruleset`, { headers })).json()) as {
    ruleset: { version: number }
  }
  return ruleset.version
}

/** Rollouts as an environment has them: one of them changes. */
export async function prepare(server: TestServer): Promise<void> {
  const stages = [
    { name: 'some', weight: 1, hold: '10h' },
    { name: 'full', weight: 100 },
  ]
  for (let i = 1; i <= rollouts; i++) {
    const { status } = await server.api('POST', '/rollouts', { key: `rollout-${i}`, stages })
    if (status !== 201) throw new Error(`a rollout was refused with ${status}`)
  }
  await server.api('POST', '/rollouts/rollout-1/start', {})
}

let weight = 1
/** Changes the weight; when that was decided, by the history, and how long the call took. */
export async function change(server: TestServer): Promise<{ readonly at: number; readonly apiMs: number }> {
  weight = (weight % 90) + 1
  const began = performance.now()
  const { status } = await server.api('POST', '/rollouts/rollout-1/set-weight', { weight, reason: 'bench' })
  const apiMs = performance.now() - began
  if (status !== 200) throw new Error(`a change was refused with ${status}`)
  const { body } = await server.api('GET', '/rollouts/rollout-1/history?limit=1')
  return { at: (body as { items: { at: number }[] }).items[0]?.at as number, apiMs }
}

export interface Receipts {
  readonly version: number
  readonly applied: number
  readonly complete: boolean
  readonly p99Ms: number
}

export async function receipts(server: TestServer): Promise<Receipts> {
  const { body } = await server.api('GET', '/rollouts/rollout-1/convergence?limit=1')
  return (body as { items: Receipts[] }).items[0] as Receipts
}
