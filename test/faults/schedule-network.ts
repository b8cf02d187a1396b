import { type PushHub, reportResponse, rulesetResponse } from '@pipit/server/push'
import type { ClientPlatform, ConnectionHandlers } from '@pipit/shared/client'
import type { Clock, Random } from '@pipit/shared/clock'

/** Each a chance from 0 to 1 for a frame or an attempt. */
export interface NetworkWeather {
  /** An attempt to connect, or a request, fails. */
  readonly refuse: number
  /** The connection is lost before, or right after, a frame. */
  readonly cut: number
  /** A frame arrives with its end missing. */
  readonly truncate: number
  /** A frame arrives twice: no TCP does that, a proxy that sends a request again does. */
  readonly duplicate: number
  /** A frame overtakes the one before it. */
  readonly overtake: number
  /** The connection goes silent: neither side hears of the other or of its end. */
  readonly silence: number
  readonly mostDelayMs: number
}

export const calm: NetworkWeather = {
  ...{ refuse: 0, cut: 0, truncate: 0, duplicate: 0, overtake: 0, silence: 0 },
  mostDelayMs: 2,
}

export interface Network {
  weather: NetworkWeather
  /** Where attempts arrive; none while the server is away. */
  hub: PushHub | undefined
  readonly connect: NonNullable<ClientPlatform['connect']>
  readonly request: ClientPlatform['request']
  /** Every connection ends, as when the process at the other end dies. */
  loseAll(): void
}

const header = (frame: Buffer): number => ((frame[1] ?? 0) < 126 ? 2 : frame[1] === 126 ? 4 : 10)

export function createNetwork(clock: Clock, random: Random): Network {
  const open = new Set<() => void>()

  /** A connection that both ends see the same of: over, or silent. */
  interface Line {
    isOver: boolean
    isSilent: boolean
    waiting: number
    lose(): void
  }

  /** One direction: frames arrive in order unless the weather says otherwise. */
  function direction(line: Line, arrive: (text: string) => void): (text: string) => void {
    let last = 0

    function deliver(text: string): void {
      const { weather } = network
      if (random() < weather.silence) line.isSilent = true
      if (line.isOver || line.isSilent) return
      if (random() < weather.cut / 2) return line.lose()
      arrive(random() < weather.truncate ? text.slice(0, Math.floor(random() * text.length)) : text)
      if (random() < weather.cut / 2) line.lose()
    }

    return (text) => {
      const { weather } = network
      const delayed = clock.monotonic() + random() * weather.mostDelayMs
      const at = random() < weather.overtake ? delayed : Math.max(delayed, last)
      last = Math.max(last, at)
      line.waiting += text.length
      clock.setTimer(at - clock.monotonic(), () => {
        line.waiting -= text.length
        deliver(text)
      })
      if (random() < weather.duplicate) clock.setTimer(at - clock.monotonic(), () => deliver(text))
    }
  }

  function wire(handlers: ConnectionHandlers, hub: PushHub) {
    const line: Line = { isOver: false, isSilent: false, waiting: 0, lose: () => end(1006, '') }
    const down = direction(line, (text) => handlers.message(text))
    const seat = hub.join(
      {
        send(frame) {
          if (!line.isOver) down(frame.toString('utf8', header(frame)))
        },
        close: (code, reason) => {
          clock.setTimer(1, () => end(code, reason))
        },
        terminate: () => end(1006, ''),
        get bufferedBytes() {
          return line.waiting
        },
      },
      { environment: 'production', keyId: 'k', kind: 'srv' },
    )
    if (seat === undefined) return undefined
    function end(code: number, reason: string): void {
      if (line.isOver) return
      line.isOver = true
      open.delete(line.lose)
      seat?.leave(false)
      // Who sits behind a connection that went silent hears of no end.
      if (!line.isSilent) handlers.close(code, reason)
    }
    open.add(line.lose)
    return { up: direction(line, (text) => seat.session.receive(text)), end }
  }

  const network: Network = {
    weather: calm,
    hub: undefined,
    connect(_url, _key, handlers) {
      let joined: ReturnType<typeof wire>
      let isClosed = false
      clock.setTimer(random() * network.weather.mostDelayMs, () => {
        if (isClosed) return
        if (network.hub !== undefined && random() >= network.weather.refuse) joined = wire(handlers, network.hub)
        if (joined === undefined) handlers.close(1006, '')
        else handlers.open()
      })
      return {
        send: (text) => joined?.up(text),
        bufferedBytes: () => 0,
        close() {
          isClosed = true
          joined?.end(1000, '')
        },
      }
    },
    async request({ method, headers, body }) {
      const pause = (): Promise<void> =>
        new Promise((resolve) => clock.setTimer(random() * network.weather.mostDelayMs, resolve))
      await pause()
      const { hub } = network
      if (hub === undefined || random() < network.weather.refuse) throw new Error('connection refused')
      const instance = headers['x-pipit-instance'] ?? ''
      const from = { environment: 'production', keyId: 'key', instance, sdk: 'test/1' }
      const answer =
        method === 'GET'
          ? await rulesetResponse(hub, from, headers['if-none-match'])
          : { ...(await reportResponse(hub, from, body ?? '')), etag: undefined }
      await pause()
      // What was done is done, whether its answer arrives or not.
      if (network.hub !== hub || random() < network.weather.cut) throw new Error('connection lost')
      return answer
    },
    loseAll() {
      for (const lose of [...open]) lose()
    },
  }
  return network
}
