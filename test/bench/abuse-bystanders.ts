/**
 * A process with sockets of instances that behave, for `abuse.ts`: they confirm every change and report once a second. Asked for a measurement
 * it makes changes itself, and tells how long they took to each socket, and acknowledgements to each report.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeMessage } from '@pipit/shared/protocol'
import { WebSocket } from 'ws'
import { hello } from '../faults/malformed-sockets.ts'

export interface Served {
  readonly pushP99Ms: number
  readonly ackP99Ms: number
  readonly pushes: number
  readonly acks: number
  /** Sockets that were lost, changes that failed. */
  readonly harmed: number
}

const [url = '', key = '', token = '', count = '0'] = process.argv.slice(2)
const pushEveryMs = 150
const lateMs = 10_000

let pushedAt = 0
let pushes: number[] = []
let acks: number[] = []
let harmed = 0
let weight = 10

function report(seq: number): string {
  const cell = { rollout: 'shop', epoch: 1, variant: 'canary', stratum: 'split', thresholds: 0, columns: 4 } as const
  return encodeMessage({ type: 'report', seq, outcomes: [{ ...cell, buckets: [seq % 256, 2, 0, 0] }] })
}

function open(i: number): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
  })
  let seq = 0
  let sentAt = 0
  const send = (): void => {
    sentAt = performance.now()
    if (socket.readyState === WebSocket.OPEN) socket.send(report(++seq))
  }
  return new Promise((resolve) => {
    socket.on('open', () => socket.send(hello(`bystander-${i}`)))
    socket.on('error', () => undefined)
    socket.on('close', () => harmed++)
    socket.on('message', (data) => {
      const now = performance.now()
      const message = JSON.parse(data.toString()) as { type: string; version?: number; ruleset?: { version: number } }
      if (message.type === 'patch') pushes.push(now - pushedAt)
      if (message.type === 'patch' || message.type === 'ruleset')
        socket.send(`{"type":"applied","version":${message.version ?? message.ruleset?.version}}`)
      if (message.type === 'ruleset') {
        setTimeout(send, Math.random() * 1000)
        resolve()
      } else if (message.type === 'ack') {
        acks.push(now - sentAt)
        setTimeout(send, 1000)
      } else if (message.type === 'error') {
        // Told to come back: until it is stored the report is on its way.
        setTimeout(() => socket.send(report(seq)), 200)
      } else if (message.type === 'ping') socket.send('{"type":"pong"}')
    })
  })
}

async function push(): Promise<void> {
  weight = 10 + ((weight + 1) % 80)
  pushedAt = performance.now()
  const answer = await fetch(`${url}/api/v1/rollouts/shop/set-weight`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ weight }),
    signal: AbortSignal.timeout(lateMs),
  }).catch(() => undefined)
  await answer?.arrayBuffer().catch(() => undefined)
  if (answer?.status !== 200) harmed++
}

const p99 = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY

async function measure(ms: number): Promise<Served> {
  pushes = []
  acks = []
  harmed = 0
  const began = performance.now()
  while (performance.now() - began < ms) {
    const next = performance.now() + pushEveryMs
    await push()
    await sleep(Math.max(0, next - performance.now()))
  }
  // Changes that are still on their way belong to this measurement.
  await sleep(300)
  return { pushP99Ms: p99(pushes), ackP99Ms: p99(acks), pushes: pushes.length, acks: acks.length, harmed }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (ms) => {
  void measure(Number(ms)).then((served) => process.send?.(served))
})
for (let i = 0; i < Number(count); i += 100)
  await Promise.all(Array.from({ length: Math.min(100, Number(count) - i) }, (_, j) => open(i + j)))
process.send?.('ready')
