import type { Clock, Random } from '@pipit/shared/clock'
import type { DecideEnvironment } from '@pipit/shared/decide'
import { closeCodes } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import type { Ingest } from '../ingest/index.ts'
import type { Hub } from './api.ts'
import { type Channel, createChannel } from './channel.ts'
import type { Edition } from './edition.ts'
import { createKeyLimiter, type KeyLimiter } from './key-limiter.ts'
import { defaultLimits, type HubLimits } from './limits.ts'
import { identify, type PageSettings } from './pages/identify.ts'
import type { PageChannel } from './pages/page-channel.ts'
import { createPageLimiter, type PageLimiter } from './pages/page-limiter.ts'
import { createSession, type Session, type SessionSocket } from './session.ts'
import { createTender } from './tender.ts'

export interface HubParts {
  /** The newest ruleset of an environment, from storage. */
  readonly projectRuleset: (environment: string) => Promise<Ruleset>
  readonly ingest: Ingest
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly log: { warn(message: string): void }
  readonly limits?: Partial<HubLimits>
  /** What an environment asks of pages; nothing when absent. */
  readonly pageSettings?: (environment: string) => Promise<PageSettings>
  /** Gives outcomes of nobody a bucket; `Math.random` when absent. */
  readonly random?: Random
  /** Reads a `User-Agent` header as SDKs do, for rules that ask for it and users of pages. */
  readonly userAgent?: DecideEnvironment['userAgent']
}

/** Over how long so many return. Not before a server is up again that is restarted: who comes too early comes later than the others. */
const returnMs = (sockets: number, { returnsPerSecond }: HubLimits): number =>
  Math.min(60_000, Math.max(5000, Math.ceil((sockets / returnsPerSecond) * 1000)))

/** Over how long pages return that are to greet again. */
const pagesReturnMs = 2000

/** Who a key belongs to; undefined for one that is unknown or revoked. */
export type Authenticate = (key: string) => Promise<KeyOwner | undefined>

export interface KeyOwner {
  readonly keyId: string
  readonly kind: 'srv' | 'web'
  readonly environment: string
  /** Of a web key: the origins whose pages may use it; any when absent. */
  readonly origins?: readonly string[] | undefined
}

/** Who is at the other end of a socket, by its key and its request. */
export interface Who {
  readonly environment: string
  readonly keyId: string
  readonly kind: 'srv' | 'web'
  /** The `User-Agent` of a page's request. */
  readonly agent?: string | undefined
  /** Where a page comes from, as limits count it. */
  readonly address?: string | undefined
}

/** The hub with what the transports in front of it need. */
export interface PushHub extends Hub {
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly limits: HubLimits
  readonly ingest: Ingest
  readonly random: Random
  /** Sockets that may still join. */
  readonly freeSeats: number
  /** Takes a socket in; undefined when there are too many, the hub is closed, or the key was revoked meanwhile. */
  join(socket: SessionSocket, who: Who): { readonly session: Session; leave(isEnded?: boolean): void } | undefined
  /** What was published last. */
  edition(environment: string): Promise<Edition>
  /** Environments whose newest ruleset is larger than SDKs take: they have the one before. */
  oversize(): readonly string[]
  readonly pageLimits: PageLimiter
  /** Of the keys of servers. */
  readonly keyLimits: KeyLimiter
  /** The pages of an environment, for those without sockets. */
  pages(environment: string): PageChannel
  count(counter: string, by?: number): void
  counters(): { readonly [name: string]: number }
}

/**
 * Everybody who is connected, by environment. `publish` sends what is newest in storage to all of them and keeps their receipts; reports
 * go to the ingest. Everything that could grow is bounded by `limits`.
 */
export function createHub(parts: HubParts): PushHub {
  const { clock, log, ingest } = parts
  const limits = { ...defaultLimits, ...parts.limits }
  const pageSettings = parts.pageSettings ?? (async (): Promise<PageSettings> => ({ userHash: 'off' }))
  const pageLimits = createPageLimiter(clock, limits)
  const keyLimits = createKeyLimiter(clock, limits)
  const sessions = new Set<Session>()
  const channels = new Map<string, Channel>()
  /** A socket whose key was checked just before it was revoked must not slip in; ids are never used again. */
  const revoked = new Set<string>()
  const counters: { [name: string]: number } = {}
  let isClosed = false
  /** Sockets of servers, which report over them. */
  let servers = 0
  let emptied: (() => void) | undefined

  const count = (counter: string, by = 1): void => {
    counters[counter] = (counters[counter] ?? 0) + by
  }
  const tender = createTender({
    clock,
    limits,
    count,
    catchUp: (session) => channel(session.environment).catchUp(session),
    heartbeat() {
      for (const each of channels.values()) each.expire()
    },
  })

  function reporters(): number {
    let polling = 0
    for (const each of channels.values()) polling += each.polling
    return servers + polling
  }

  function channel(environment: string): Channel {
    let found = channels.get(environment)
    if (found === undefined) {
      const projectRuleset = (): Promise<Ruleset> => parts.projectRuleset(environment)
      found = createChannel({
        ...{ environment, projectRuleset, clock, limits, log, slow: tender.slow, count, reporters },
        pages: {
          userAgent: parts.userAgent,
          identify: async (claim, agent) => identify(claim, agent, await pageSettings(environment)),
          hold: pageLimits.hold,
          release: pageLimits.release,
        },
      })
      channels.set(environment, found)
    }
    return found
  }

  return {
    authenticate: parts.authenticate,
    clock,
    limits,
    ingest,
    random: parts.random ?? Math.random,
    get freeSeats() {
      return isClosed ? 0 : limits.maxSockets - sessions.size
    },
    join(socket, who) {
      if (isClosed || sessions.size >= limits.maxSockets || revoked.has(who.keyId)) return undefined
      const isPage = who.kind === 'web'
      if ((isPage ? pageLimits.full(who) : keyLimits.full(who.keyId)) !== undefined) return undefined
      const home = channel(who.environment)
      const session = createSession({
        ...{ ...who, socket, ingest, clock, limits, log, count },
        greeted: (greeted, hello) => void home.greet(greeted, hello),
        applied: (from, version) => home.applied(from, version),
        refuseReport: () => keyLimits.report(who.keyId),
        take: isPage ? (flow, amount) => pageLimits.take(flow, who, amount) : undefined,
      })
      sessions.add(session)
      if (isPage) pageLimits.opened(who)
      else {
        servers++
        keyLimits.opened(who.keyId)
      }
      tender.join(session)
      const cancelHello = clock.setTimer(limits.helloTimeoutMs, () => {
        if (session.hello === undefined) session.close(closeCodes.protocol, 'no hello in time')
      })
      return {
        session,
        leave(isEnded = false) {
          cancelHello()
          session.terminate()
          if (!sessions.delete(session)) return
          if (isPage) pageLimits.closed(who)
          else {
            servers--
            keyLimits.closed(who.keyId)
          }
          tender.leave(session)
          home.leave(session, isEnded)
          if (sessions.size === 0) emptied?.()
        },
      }
    },
    count,
    oversize: () => [...channels].filter(([, { isOversize }]) => isOversize).map(([environment]) => environment),
    pageLimits,
    keyLimits,
    pages: (environment) => channel(environment).pages,
    edition: (environment) => channel(environment).edition(),
    publish: (environment) => channel(environment).publish(),
    disconnect(keyId) {
      revoked.add(keyId)
      for (const session of sessions)
        if (session.keyId === keyId) session.close(closeCodes.unauthorized, 'this key was revoked')
    },
    greetPagesAgain(environment) {
      for (const session of [...channel(environment).pages.sessions()])
        session.close(closeCodes.goingAway, String(pagesReturnMs))
    },
    breakers: (environment, rollout) => channel(environment).breakers(rollout),
    instances: (environment) => channel(environment).instances(),
    convergence: (environment) => channel(environment).convergence(),
    heard: (instance) => channel(instance.environment).heard(instance),
    counters: () => ({ ...counters, sockets: sessions.size }),
    async close(spreadMs = returnMs(sessions.size, limits)) {
      isClosed = true
      tender.stop()
      for (const session of sessions) session.close(closeCodes.goingAway, String(spreadMs))
      if (sessions.size > 0) {
        await new Promise<void>((resolve) => {
          emptied = resolve
          clock.setTimer(limits.closeGraceMs, resolve)
        })
      }
      for (const session of sessions) session.terminate()
    },
  }
}
