/** The floor of what is measured on sockets: `ws` and nothing else, in a process of its own. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

const server = createServer()
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
let answers = 0
let answeredAt = 0
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (opened) => {
    sockets.emit('connection', opened, request)
    opened.on('error', () => undefined)
    opened.on('message', (data) => {
      const text = data.toString()
      if (text.startsWith('{"type":"hello"')) return opened.send('{"type":"patch","from":1,"version":1}')
      answers++
      answeredAt = performance.timeOrigin + performance.now()
    })
  })
})
process.on('message', ({ broadcast }: { broadcast?: string }) => {
  if (broadcast === undefined) return process.send?.({ answers, answeredAt })
  answers = 0
  const bytes = Buffer.from(broadcast)
  const began = performance.timeOrigin + performance.now()
  const cpu = process.cpuUsage()
  for (const socket of sockets.clients) socket.send(bytes, { binary: false })
  const { user, system } = process.cpuUsage(cpu)
  process.send?.({ began, cpuMs: (user + system) / 1000 })
})
process.on('disconnect', () => process.exit(0))
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
)
