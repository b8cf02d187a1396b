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
let times: number[] = []
let served = 0

function sdk(isServed: () => void): void {
  let isFirst = true
  const client = createClient({ url, key, cacheDir: false, logger: { warn() {} } })
  client.on('change', () => {
    if (!isFirst) return times.push(now())
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
    if (mode === 'answering') {
      const { version } = JSON.parse(text) as { version: number }
      socket.send(JSON.stringify({ type: 'applied', version }))
    }
    times.push(now())
  })
}

// Before all else: sockets of SDKs do not keep a process up, and these listeners do.
process.on('message', () => {
  process.send?.({ times })
  times = []
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
