import type { Clock } from '@pipit/shared/clock'
import { closeCodes, encodeMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import type { Ingest } from '../ingest/index.ts'
import type { Hub, InstanceView } from './api.ts'
import { type ConvergenceLog, createConvergenceLog } from './convergence.ts'
import { createRoom, nothingNew, patchBetween, type Room } from './room.ts'
import { createSession, type Session, type SessionSocket } from './session.ts'

export interface HubParts {
  /** The newest ruleset of an environment, from storage. */
  readonly projectRuleset: (environment: string) => Promise<Ruleset>
  readonly ingest: Ingest
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly log: { warn(message: string): void }
  readonly limits?: Partial<HubLimits>
}

/** Who a key belongs to; undefined for one that is unknown or revoked. */
export type Authenticate = (
  key: string,
) => Promise<{ readonly keyId: string; readonly kind: 'srv' | 'web'; readonly environment: string } | undefined>

export interface HubLimits {
  readonly heartbeatMs: number
  readonly helloTimeoutMs: number
  readonly maxSockets: number
  /** Bytes that may wait in a socket's buffer before it gets no more patches. */
  readonly slowBytes: number
  /** A socket that stays over `slowBytes` for so long is cut. */
  readonly slowMs: number
  /** An instance of the HTTP fallback that was not heard for so long is gone. */
  readonly httpGoneMs: number
}

export const defaultLimits: HubLimits = {
  heartbeatMs: 15_000,
  helloTimeoutMs: 10_000,
  maxSockets: 20_000,
  slowBytes: 1_048_576,
  slowMs: 30_000,
  httpGoneMs: 60_000,
}

/** The hub with what the transports in front of it need. */
export interface PushHub extends Hub {
  readonly authenticate: Authenticate
  readonly limits: HubLimits
  readonly ingest: Ingest
  /** Takes a socket in; undefined when there are too many. */
  join(
    socket: SessionSocket,
    who: { readonly environment: string; readonly keyId: string },
  ): { readonly session: Session; leave(): void } | undefined
  room(environment: string): Promise<Room>
  counters(): { readonly [name: string]: number }
}

export function createHub(parts: HubParts): PushHub {
  const { clock, log } = parts
  const limits = { ...defaultLimits, ...parts.limits }
  const sessions = new Set<Session>()
  const rooms = new Map<string, Room>()
  const loading = new Map<string, Promise<Room>>()
  const logs = new Map<string, ConvergenceLog>()
  const overHttp = new Map<string, InstanceView>()
  const counters: { [name: string]: number } = {}
  let stopped = false
  let cancelSweep = clock.setTimer(limits.heartbeatMs, sweep)

  const count = (counter: string): void => {
    counters[counter] = (counters[counter] ?? 0) + 1
  }

  function logOf(environment: string): ConvergenceLog {
    let found = logs.get(environment)
    if (found === undefined) {
      found = createConvergenceLog()
      logs.set(environment, found)
    }
    return found
  }

  function inEnvironment(environment: string): Session[] {
    return [...sessions].filter((session) => session.environment === environment && session.hello !== undefined)
  }

  async function load(environment: string): Promise<Room> {
    const room = createRoom(await parts.projectRuleset(environment), limits.heartbeatMs)
    const known = rooms.get(environment)
    if (known !== undefined && known.ruleset.version > room.ruleset.version) return known
    rooms.set(environment, room)
    return room
  }

  function room(environment: string): Promise<Room> {
    const known = rooms.get(environment)
    if (known !== undefined) return Promise.resolve(known)
    let first = loading.get(environment)
    if (first === undefined) {
      first = load(environment).finally(() => loading.delete(environment))
      loading.set(environment, first)
    }
    return first
  }

  async function greet(session: Session, version: number | undefined): Promise<void> {
    try {
      const loaded = await room(session.environment)
      // A publish may have overtaken the loading.
      const current = rooms.get(session.environment) ?? loaded
      session.sentVersion = current.ruleset.version
      const isCurrent = version === current.ruleset.version
      session.socket.send(isCurrent ? encodeMessage(nothingNew(current)) : current.whole())
    } catch (error) {
      log.warn(`the ruleset of ${session.environment} could not be read for a new connection: ${String(error)}`)
      session.socket.send(
        encodeMessage({
          type: 'error',
          code: 'unavailable',
          message: 'the ruleset cannot be read now; come back later',
          retry: true,
        }),
      )
      session.socket.close(closeCodes.goingAway, '5000')
    }
  }

  /** A patch reaches who holds its starting version; others get the whole ruleset, and a slow reader nothing until it has caught up. */
  function push(before: Room, after: Room, environment: string): void {
    const patch = Buffer.from(encodeMessage(patchBetween(before, after)))
    for (const session of inEnvironment(environment)) {
      if (session.socket.bufferedBytes > limits.slowBytes) {
        session.slowSince ??= clock.monotonic()
        count('slow_readers')
        continue
      }
      session.socket.send(session.sentVersion === before.ruleset.version ? patch : after.whole())
      session.sentVersion = after.ruleset.version
    }
  }

  function sweep(): void {
    if (stopped) return
    const now = clock.monotonic()
    for (const session of sessions) {
      if (clock.now() - session.lastSeenAt >= 3 * limits.heartbeatMs) {
        count('silent_peers')
        session.socket.terminate()
      } else if (session.hello !== undefined) tend(session, now)
    }
    for (const [key, view] of overHttp) if (clock.now() - view.lastSeenAt > limits.httpGoneMs) overHttp.delete(key)
    cancelSweep = clock.setTimer(limits.heartbeatMs, sweep)
  }

  /** Heartbeat of one socket; a reader that was slow gets the whole ruleset once it reads again, or is cut. */
  function tend(session: Session, now: number): void {
    if (session.socket.bufferedBytes > limits.slowBytes) {
      session.slowSince ??= now
      if (now - session.slowSince >= limits.slowMs) session.socket.close(closeCodes.slow, 'does not read')
      return
    }
    session.slowSince = undefined
    const current = rooms.get(session.environment)
    if (current !== undefined && session.sentVersion < current.ruleset.version) {
      session.socket.send(current.whole())
      session.sentVersion = current.ruleset.version
    } else session.socket.send('{"type":"ping"}')
  }

  function view(session: Session): InstanceView[] {
    const { hello } = session
    if (hello === undefined) return []
    return [
      {
        instance: hello.instance,
        environment: session.environment,
        sdk: hello.sdk,
        labels: hello.labels ?? {},
        connectedAt: session.connectedAt,
        lastSeenAt: session.lastSeenAt,
        appliedVersion: session.appliedVersion,
        bufferedBytes: session.socket.bufferedBytes,
        transport: 'socket',
        breakers: session.breakers,
      },
    ]
  }

  function instances(environment: string): InstanceView[] {
    const connected = inEnvironment(environment).flatMap(view)
    const names = new Set(connected.map((entry) => entry.instance))
    return [
      ...connected,
      ...[...overHttp.values()].filter((entry) => entry.environment === environment && !names.has(entry.instance)),
    ]
  }

  return {
    authenticate: parts.authenticate,
    limits,
    ingest: parts.ingest,
    join(socket, who) {
      if (stopped || sessions.size >= limits.maxSockets) return undefined
      const session = createSession({
        ...who,
        socket,
        ingest: parts.ingest,
        clock,
        log,
        count,
        greeted: (greeted, hello) => void greet(greeted, hello.version),
        applied: (from, { version }) =>
          logOf(from.environment).applied(from.hello?.instance ?? '', version, clock.now()),
      })
      sessions.add(session)
      const cancelHello = clock.setTimer(limits.helloTimeoutMs, () => {
        if (session.hello === undefined) socket.close(closeCodes.protocol, 'no hello in time')
      })
      return {
        session,
        leave() {
          cancelHello()
          sessions.delete(session)
          if (session.hello !== undefined) logOf(session.environment).left(session.hello.instance)
        },
      }
    },
    room,
    async publish(environment) {
      const before = rooms.get(environment)
      const after = await load(environment)
      if (before !== undefined && before.ruleset.version >= after.ruleset.version) return
      logOf(environment).published(
        after.ruleset.version,
        clock.now(),
        inEnvironment(environment).map((session) => session.hello?.instance ?? ''),
      )
      if (before !== undefined) push(before, after, environment)
    },
    disconnect(keyId) {
      for (const session of sessions)
        if (session.keyId === keyId) session.socket.close(closeCodes.unauthorized, 'this key was revoked')
    },
    breakers(environment, rollout) {
      const known = instances(environment)
      return { open: known.filter((entry) => entry.breakers.includes(rollout)).length, instances: known.length }
    },
    instances,
    convergence: (environment) => logOf(environment).list(),
    heard({ instance, environment, sdk, version, breakers }) {
      const key = `${environment}/${instance}`
      const before = overHttp.get(key)
      const [name = sdk, sdkVersion = ''] = sdk.split('/')
      overHttp.set(key, {
        instance,
        environment,
        sdk: { name, version: sdkVersion },
        labels: {},
        connectedAt: before?.connectedAt ?? clock.now(),
        lastSeenAt: clock.now(),
        appliedVersion: Math.max(version, before?.appliedVersion ?? 0),
        bufferedBytes: 0,
        transport: 'http',
        breakers: breakers ?? before?.breakers ?? [],
      })
    },
    counters: () => ({ ...counters, sockets: sessions.size }),
    async close(spreadMs) {
      stopped = true
      cancelSweep()
      for (const session of sessions) session.socket.close(closeCodes.goingAway, String(spreadMs))
      sessions.clear()
    },
  }
}
