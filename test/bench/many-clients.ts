/**
 * A process full of clients for the benchmarks on sockets. `sdk`: the SDK for Node, as an application has it. `bare`: `ws` alone. `answering`: `ws` that parses what it gets and answers as an SDK would.
 */
import { createClient } from '@pipit/sdk-node'
import { WebSocket } from 'ws'

const [mode = '', url = '', key = '', countText = '0', greeting] = process.argv.slice(2)
const count = Number(countText)
/** That are on their way at once: below what waits for a server to accept it. */
const atOnce = 250

const now = (): number => performance.timeOrigin + performance.now()
/** When each change came and to whom; `openedAt` is when that SDK's socket had opened, 0 without one. */
let times: { readonly at: number; readonly openedAt: number; readonly version: number; readonly client: string }[] = []
/** When the SDKs had a socket: each time they got one. */
let opened: number[] = []
let served = 0

function sdk(isServed: () => void, id: number): void {
  let isFirst = true
  let openedAt = 0
  const client = createClient({ url, key, cacheDir: false, logger: { warn() {} } })
  client.on('status', ({ transport }) => {
    if (transport !== 'socket') {
      openedAt = 0
    } else if (openedAt === 0) {
      openedAt = now()
      opened.push(openedAt)
    }
  })
  const name = `${process.pid}-${id}`
  client.on('change', ({ version }) => {
    if (!isFirst) return times.push({ at: now(), openedAt, version, client: name })
    isFirst = false
    isServed()
  })
}

function bare(isServed: () => void, id: number): void {
  const socket = new WebSocket(url, { perMessageDeflate: false, headers: { authorization: `Bearer ${key}` } })
  let isFirst = greeting !== undefined
  socket.on('error', (error) => {
    throw error
  })
  socket.on('open', () => {
    if (greeting === undefined) isServed()
    else socket.send(greeting.replace('INSTANCE', `bare-${process.pid}-${id}`))
  })
  socket.on('message', (data) => {
    const text = data.toString()
    if (text === '{"type":"ping"}') return socket.send('{"type":"pong"}')
    if (isFirst) {
      isFirst = false
      return isServed()
    }
    // Any other patch tells how often to report.
    if (!text.includes('"rollouts"')) return
    if (mode === 'answering') {
      const { version } = JSON.parse(text) as { version: number }
      socket.send(JSON.stringify({ type: 'applied', version }))
    }
    times.push({ at: now(), openedAt: 0, version: 0, client: '' })
  })
}

// Before all else: sockets of SDKs do not keep a process up, and these listeners do.
process.on('message', () => {
  process.send?.({ times, opened })
  times = []
  opened = []
})
process.on('disconnect', () => process.exit(0))
const began = now()
await new Promise<void>((resolve) => {
  let started = 0
  function more(): void {
    while (started < count && started - served < atOnce) (mode === 'sdk' ? sdk : bare)(isServed, started++)
  }
  function isServed(): void {
    if (++served === count) resolve()
    else more()
  }
  more()
})
process.send?.({ began, ended: now() })
