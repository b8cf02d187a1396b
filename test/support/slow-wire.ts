import type { AddressInfo } from 'node:net'
import { createServer, type Socket, connect as tcpConnect } from 'node:net'

type Way = 'up' | 'down'

/** A wire to a server on which bytes can be kept back, whatever they are of. */
export interface SlowWire {
  readonly url: string
  /** From now on each connection that sends this way is stuck from there on. */
  hold(way: Way): void
  /** Bytes that are kept back. */
  held(): number
  /** Connections that are not stuck yet go on as before; the stuck ones stay so, even when their page is gone. */
  pass(): void
  /** What was kept back arrives. */
  release(): void
  /** What was kept back is lost, with its connections. */
  cut(): void
  stop(): Promise<void>
}

export async function slowWire(target: string): Promise<SlowWire> {
  const { port, hostname } = new URL(target)
  const stuck = new Map<Socket, Buffer[]>()
  const sockets = new Set<Socket>()
  let holding: Way | undefined

  function carry(from: Socket, to: Socket, way: Way): void {
    sockets.add(from)
    from.on('data', (chunk: Buffer) => {
      if (holding === way && !stuck.has(to)) stuck.set(to, [])
      const kept = stuck.get(to)
      if (kept) kept.push(chunk)
      else to.write(chunk)
    })
    from.on('error', () => from.destroy())
    from.on('close', () => {
      sockets.delete(from)
      if (!stuck.has(to)) to.end()
    })
  }

  const server = createServer((near) => {
    const far = tcpConnect(Number(port), hostname)
    carry(near, far, 'up')
    carry(far, near, 'down')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold(way) {
      holding = way
    },
    held: () => [...stuck.values()].flat().reduce((sum, { length }) => sum + length, 0),
    pass() {
      holding = undefined
    },
    release() {
      holding = undefined
      for (const [to, kept] of stuck) if (!to.destroyed) to.write(Buffer.concat(kept))
      stuck.clear()
    },
    cut() {
      for (const to of stuck.keys()) to.destroy()
      stuck.clear()
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
