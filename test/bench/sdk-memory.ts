/**
 * `npm run bench -- sdk-memory`: what an SDK takes above the process it is in: heap and array buffers after a collection, against a process that
 * does the same without an SDK and has `ws`, `node:http` and what else of Node one stands on loaded. Of the package as it is built. A server greets it and acknowledges
 * its reports, but for the outage, where it goes silent after the greeting.
 */
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { encodeMessage, parseSdkMessage } from '@pipit/shared/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Row } from './row.ts'

const bar = 2_000_000
const rounds = 3
const situations: readonly (readonly [name: string, words: string])[] = [
  ['idle', 'connected, nothing to do'],
  ['outcomes', 'after a million outcomes of 20 000 users'],
  ['people', 'after 200 000 users'],
  ['outage', 'an hour without the server, a million outcomes of 50 000 users wait'],
]

const greeting = encodeMessage({
  type: 'ruleset',
  ...{ flushMs: 1000, heartbeatMs: 15_000 },
  ruleset: {
    ...{ version: 1, environment: 'production', unitSalt: '0123456789abcdef', cohorts: {} },
    rollouts: Object.fromEntries(
      ['checkout', ...Array.from({ length: 20 }, (_, i) => `rollout-${i}`)].map((key) => [
        key,
        {
          ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 50 },
          variants: [{ name: 'stable' }, { name: 'canary' }],
          thresholds: { version: 1, ms: [100, 250, 1000] },
        } as const,
      ]),
    ),
  },
})

function answer(socket: WebSocket, text: string, isSilent: boolean): void {
  const parsed = parseSdkMessage(text)
  if (!parsed.ok) throw new Error(`the SDK sent what is no message: ${parsed.error.message}`)
  const { message } = parsed
  if (message.type === 'hello') socket.send(greeting)
  if (message.type === 'report' && !isSilent) socket.send(encodeMessage({ type: 'ack', seq: message.seq }))
}

interface Memory {
  readonly heapUsed: number
  readonly arrayBuffers: number
  readonly rss: number
}

function measure(...told: string[]): Promise<Memory> {
  const child = fork(fileURLToPath(new URL('./sdk-memory-child.ts', import.meta.url)), told, {
    execArgv: ['--expose-gc'],
  })
  return new Promise((resolve, reject) => {
    child.once('message', (memory) => resolve(memory as Memory))
    child.once('exit', (code) => reject(new Error(`the process "${told[0]}" ended with ${code}`)))
  })
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`

async function medianOf(...told: string[]): Promise<Memory> {
  const all: Memory[] = []
  for (let round = 0; round < rounds; round++) all.push(await measure(...told))
  const of = (what: keyof Memory): number => median(all.map((memory) => memory[what]))
  return { heapUsed: of('heapUsed'), arrayBuffers: of('arrayBuffers'), rss: of('rss') }
}

export async function rows(): Promise<readonly Row[]> {
  const built = new URL('../../sdk-node/dist/index.mjs', import.meta.url)
  if (!existsSync(built)) throw new Error('@pipit/sdk-node is not built: run npm run build')
  let isSilent = false
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => socket.on('message', (data) => answer(socket, String(data), isSilent)))
  await new Promise<void>((resolve) => server.once('listening', () => resolve()))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const found: Row[] = []
  for (const [name, words] of situations) {
    isSilent = name === 'outage'
    const base = await medianOf(name)
    const ours = await medianOf(name, url)
    const above = (what: keyof Memory): number => ours[what] - base[what]
    const held = above('heapUsed') + above('arrayBuffers')
    const parts = `heap ${megabytes(above('heapUsed'))}, arrays ${megabytes(above('arrayBuffers'))}, RSS ${megabytes(above('rss'))}`
    console.log(`${words}: ${megabytes(held)} above the same without (${parts})`)
    found.push({
      ...{
        claim: `an SDK in a Node process, ${words}`,
        ours: megabytes(held),
        floor: megabytes(base.heapUsed + base.arrayBuffers),
      },
      ...{ bar: `at most ${megabytes(bar)} above`, met: held <= bar },
      note: 'heap and array buffers after a collection, above a process that does the same without an SDK, with ws and node:http loaded; median of 3',
    })
  }
  server.close()
  for (const socket of server.clients) socket.terminate()
  return found
}
