/** A process that abuses a server in one way until it is ended, for `abuse.ts`: `node abuse-attacks.ts <name> <url> <key>`. Says how often. */
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeMessage } from '@pipit/shared/protocol'
import { WebSocket } from 'ws'
import { hello } from '../faults/malformed-sockets.ts'

const [name = '', url = '', goodKey = ''] = process.argv.slice(2)
const { hostname, port } = new URL(url)
let done = 0

function open(key: string, ready: (socket: WebSocket) => void, over: () => void): void {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
  })
  socket.on('open', () => ready(socket))
  socket.on('error', () => undefined)
  socket.on('close', over)
}

/** So many at a time, each begun again when it is over. */
function again(count: number, begin: (over: () => void, i: number) => void): void {
  for (let i = 0; i < count; i++) {
    const next = (): void =>
      begin(() => {
        done++
        setImmediate(next)
      }, i)
    next()
  }
}

function loris(): void {
  const socket: Socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write('GET /api/v1/rollouts HTTP/1.1\r\nhost: a\r\n')
  const drip = setInterval(() => socket.write('x-a: b\r\n'), 1000)
  socket.on('close', () => {
    clearInterval(drip)
    done++
    loris()
  })
}

const cell = { rollout: 'shop', epoch: 1, variant: 'stable', stratum: 'split', thresholds: 0, columns: 4 } as const
const flooding = (seq: number): string => {
  const buckets = Array.from({ length: 256 }, (_, bucket) => [bucket, 2, 0, 0]).flat()
  return encodeMessage({ type: 'report', seq, outcomes: [{ ...cell, buckets }] })
}

const hostile = [
  '{"__proto__":{"type":"report","seq":1}}',
  '{"type":"report","seq":1,"outcomes":[{"__proto__":{"rollout":"shop"},"constructor":{"prototype":{}}}]}',
  '['.repeat(200_000),
  `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  `{"type":"report","seq":${'9'.repeat(400)},"outcomes":[]}`,
  '{"type":"report","seq":1e999}',
  '{"type":"applied","version":-1e308}',
  `{"type":"report","seq":1,"events":[{"event":"${'x'.repeat(500_000)}"}]}`,
  `{"type":"hello","protocol":1,"sdk":{"name":"a","version":"b"},"instance":"${'\\u0000'.repeat(10_000)}"}`,
  `{"type":"report","seq":1,"outcomes":[${Array.from({ length: 20_000 }, () => '{}').join(',')}]}`,
]

const attacks: { readonly [name: string]: () => void } = {
  'oversize frames': () => {
    const large = Buffer.alloc(4 * 1024 * 1024, 'x')
    again(20, (over, i) => open(goodKey, (socket) => socket.send(`${hello(`oversize-${i}`)}${large}`), over))
  },
  'slow-loris': () => {
    for (let i = 0; i < 2000; i++) loris()
    again(500, (over) => open(goodKey, () => undefined, over))
  },
  'bogus keys': () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 64 })
    again(56, (over) => {
      const headers = {
        authorization: `Bearer srv_${randomBytes(18).toString('base64url')}`,
        'x-pipit-instance': 'bogus-0001',
      }
      const asked = request({ hostname, port, path: '/sdk/v1/ruleset', headers, agent }, (response) => {
        response.resume()
        response.once('end', over)
      })
      asked.once('error', over)
      asked.end()
    })
    again(8, (over) => open(`srv_${randomBytes(18).toString('base64url')}`, () => undefined, over))
  },
  'a flood of reports from one key': () => {
    again(50, (over, i) => {
      let seq = Date.now() % 1e9
      open(
        goodKey,
        (socket) => {
          socket.send(hello(`flooding-${i}`))
          const flood = (): void => {
            for (let each = 0; each < 10 && socket.readyState === WebSocket.OPEN; each++, done++)
              socket.send(flooding(seq++))
          }
          const flooded = setInterval(() => {
            if (socket.bufferedAmount < 100_000) flood()
          }, 5)
          socket.on('close', () => clearInterval(flooded))
        },
        over,
      )
    })
  },
  'hostile JSON': () => {
    again(20, (over, i) =>
      open(
        goodKey,
        (socket) => {
          socket.send(hello(`hostile-${i}`))
          let at = i
          const send = (): void => {
            done++
            socket.send(hostile[at++ % hostile.length] as string, () => setTimeout(send, 5))
          }
          send()
        },
        over,
      ),
    )
    again(4, (over, i) => {
      const body = hostile[i % hostile.length] as string
      void fetch(`${url}/api/v1/rollouts`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
        .then((answer) => answer.arrayBuffer())
        .then(over, over)
    })
  },
  'sockets that never read': () => {
    again(200, (over, i) =>
      open(
        goodKey,
        (socket) => {
          socket.send(hello(`deaf-${i}`))
          socket.pause()
          // What it asks for is answered into the void.
          const asking = setInterval(() => {
            for (let each = 0; each < 20 && socket.bufferedAmount < 50_000; each++, done++)
              socket.send('{"type":"ping"}')
          }, 50)
          socket.on('close', () => clearInterval(asking))
        },
        over,
      ),
    )
  },
}

process.on('disconnect', () => process.exit(0))
process.on('message', () => process.send?.(done))
if (attacks[name] === undefined) throw new Error(`there is no attack ${name}`)
attacks[name]()
await sleep(0)
process.send?.('begun')
