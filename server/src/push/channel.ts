import type { Clock } from '@pipit/shared/clock'
import { closeCodes, type Hello } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import type { Convergence, Hub, InstanceView } from './api.ts'
import { createConvergenceLog } from './convergence.ts'
import { createEdition, type Edition, paceFrame, patchFrame } from './edition.ts'
import { messageFrame } from './frame.ts'
import { createHttpInstances } from './http-instances.ts'
import { inTurns } from './in-turns.ts'
import type { HubLimits } from './limits.ts'
import { leastFlushMs } from './pace.ts'
import { createPageChannel, type PageChannel, type PageChannelParts } from './pages/page-channel.ts'
import { oversize } from './ruleset-size.ts'
import type { Session } from './session.ts'

/** After the pace of reports has changed: while thousands come, it changes some more. */
const paceSettlesMs = 1000
/** Over how long SDKs return that came while the ruleset could not be read. */
const unreadableSpreadMs = 5000

export interface ChannelParts {
  readonly environment: string
  /** The newest ruleset, from storage. */
  readonly projectRuleset: () => Promise<Ruleset>
  readonly clock: Clock
  readonly limits: HubLimits
  readonly log: { warn(message: string): void }
  /** Does not read: to be brought up to date when it does, or cut. */
  readonly slow: (session: Session) => void
  readonly count: (counter: string) => void
  /** SDKs of servers over all environments, which share the budget of reports. */
  readonly reporters: () => number
  readonly pages: Pick<PageChannelParts, 'userAgent' | 'identify' | 'hold' | 'release'>
}

/** One environment: who is there, what was published last, and who has confirmed it. */
export interface Channel {
  readonly pages: PageChannel
  /** What was published last; read from storage where nothing was yet. */
  edition(): Promise<Edition>
  /** Answers a `hello`: from here on the session gets every change. */
  greet(session: Session, hello: Hello): Promise<void>
  /** Sends the whole ruleset where the session lacks the newest. */
  catchUp(session: Session): void
  /** Resolves when everything stored before the call is written to the sockets. Calls that come meanwhile are one. */
  publish(): Promise<void>
  applied(session: Session, version: number): void
  /** `isEnded`: it said goodbye; else its process may still be running. */
  leave(session: Session, isEnded: boolean): void
  heard(instance: Parameters<Hub['heard']>[0]): void
  /** Lets go of polling instances that are gone. */
  expire(): void
  /** The newest version is larger than SDKs take: they have the one before. */
  readonly isOversize: boolean
  /** Instances without a socket, pages left out. */
  readonly polling: number
  breakers(rollout: string): { readonly open: number; readonly instances: number }
  instances(): readonly InstanceView[]
  convergence(): readonly Convergence[]
}

export function createChannel(parts: ChannelParts): Channel {
  const { clock, limits } = parts
  const members = new Set<Session>()
  /** Sockets by instance: an SDK may be back before its old socket is known to be dead. */
  const sockets = new Map<string, number>()
  const overHttp = createHttpInstances(clock, limits)
  const receipts = createConvergenceLog(limits)
  let current: Edition | undefined
  let leastMs = 0
  let isPaceOwed = false
  let isOversize = false
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined

  function bring(session: Session, frame: Buffer, edition: Edition): void {
    if (session.isClosed) return
    if (session.isSlow) return parts.slow(session)
    session.send(frame)
    session.sentVersion = edition.ruleset.version
    session.receipt = edition.receipt()
  }

  /** Reads the newest ruleset and writes it to who lacks it. Never twice at once: what is written then depends on nobody else. */
  function refresh(isPublish: boolean): Promise<void> {
    if (running === undefined) {
      running = readAndPush(isPublish).finally(() => {
        running = undefined
      })
      return running
    }
    // What runs may have read before this change was stored, so one more follows; it serves all who come until then.
    const again = (): Promise<void> => {
      queued = undefined
      return refresh(isPublish)
    }
    queued ??= running.then(again, again)
    return queued
  }

  async function readAndPush(isPublish: boolean): Promise<void> {
    const ruleset = await parts.projectRuleset()
    const before = current
    const after = createEdition(ruleset, limits.heartbeatMs, leastMs)
    if (before !== undefined && before.ruleset.version >= after.ruleset.version) return
    const bytes = oversize(after, limits.rulesetBytes)
    isOversize = bytes !== undefined
    if (bytes !== undefined) return tellOversize(ruleset.version, bytes)
    current = after
    if (before !== undefined || isPublish) receipts.published(after.ruleset.version, clock.now(), clock.monotonic())
    if (before !== undefined) await push(before, after)
    await pages.push(after)
  }

  /** SDKs would refuse it one by one, and come back for it again and again: they keep what they have. */
  function tellOversize(version: number, bytes: number): void {
    parts.count('rulesets_too_large')
    parts.log.warn(
      `version ${version} of ${parts.environment} has ${bytes} bytes, and SDKs take ${limits.rulesetBytes}: it is not sent, and they stay with the one before. Remove rollouts, members of cohorts, overrides or large payloads`,
    )
  }

  /** A patch for who holds its starting version, the whole ruleset for others. */
  async function push(before: Edition, after: Edition): Promise<void> {
    const patch = patchFrame(before, after)
    const { version } = after.ruleset
    await inTurns(clock, [...members], (session) => {
      if (session.sentVersion === version) return
      bring(session, session.sentVersion === before.ruleset.version ? patch : after.frame(), after)
    })
  }

  /** Holds the reports of all SDKs within their budget: who comes from now on is told at once, the others soon. */
  function setPace(): void {
    const next = leastFlushMs(leastMs, parts.reporters(), limits.reportsPerSecond)
    if (next === leastMs || current === undefined) return
    leastMs = next
    const paced = createEdition(current.ruleset, limits.heartbeatMs, leastMs)
    if (paced.cadence.flushMs === current.cadence.flushMs) return
    current = paced
    if (!isPaceOwed) clock.setTimer(paceSettlesMs, () => void tellPace())
    isPaceOwed = true
  }

  async function tellPace(): Promise<void> {
    isPaceOwed = false
    if (current === undefined) return
    const edition = current
    await inTurns(clock, [...members], (session) => {
      if (session.sentVersion === edition.ruleset.version) bring(session, paceFrame(edition), edition)
    })
  }

  async function edition(): Promise<Edition> {
    if (current === undefined) await (running ?? refresh(false))
    if (current === undefined) throw new Error(`no ruleset of ${parts.environment} was read`)
    return current
  }

  function admit(session: Session, instance: string, version: number): void {
    receipts.came(instance, version, clock.monotonic())
    if (members.has(session)) return
    members.add(session)
    sockets.set(instance, (sockets.get(instance) ?? 0) + 1)
    overHttp.forget(instance)
    setPace()
  }

  async function greetServer(session: Session, { instance, version }: Hello): Promise<void> {
    await edition()
    if (session.isClosed || current === undefined) return
    // A version that is still to come is of another database.
    const held = version !== undefined && version <= current.ruleset.version ? version : 0
    admit(session, instance, held)
    session.sentVersion = 0
    const newest = current
    const isHeld = held === newest.ruleset.version
    bring(session, isHeld ? newest.nothingNew() : newest.frame(), newest)
  }

  const pages = createPageChannel({
    ...parts.pages,
    ...{ clock, limits, edition, environment: parts.environment, slow: parts.slow, count: parts.count },
  })

  function pagesAt(version: number): Convergence['pages'] {
    let connected = 0
    let applied = 0
    for (const { appliedVersion } of pages.sessions()) {
      connected++
      if (appliedVersion >= version) applied++
    }
    return connected === 0 ? undefined : { connected, applied }
  }

  return {
    pages,
    edition,
    async greet(session, hello) {
      try {
        await (session.kind === 'web' ? pages.greet(session, hello) : greetServer(session, hello))
      } catch (error) {
        parts.log.warn(`the ruleset of ${parts.environment} could not be read for a new connection: ${String(error)}`)
        session.send(unreadable)
        session.close(closeCodes.goingAway, String(unreadableSpreadMs))
      }
    },
    catchUp(session) {
      if (session.kind === 'web') return pages.catchUp(session)
      if (current !== undefined && members.has(session) && session.sentVersion < current.ruleset.version)
        bring(session, current.frame(), current)
    },
    publish: () => refresh(true),
    applied(session, version) {
      if (session.hello !== undefined && session.kind === 'srv')
        receipts.applied(session.hello.instance, version, clock.monotonic())
    },
    leave(session, isEnded) {
      pages.leave(session)
      if (!members.delete(session) || session.hello === undefined) return
      const { instance } = session.hello
      const others = (sockets.get(instance) ?? 1) - 1
      if (others > 0) sockets.set(instance, others)
      else {
        sockets.delete(instance)
        receipts.left(instance, isEnded ? 'ended' : 'lost', clock.monotonic())
      }
    },
    heard(instance) {
      if (sockets.has(instance.instance)) return
      if (!overHttp.heard(instance)) return parts.count('unknown_http_instances')
      receipts.came(instance.instance, instance.version, clock.monotonic())
      setPace()
    },
    expire() {
      void pages.tick()
      const now = clock.monotonic()
      for (const instance of overHttp.expire()) if (!sockets.has(instance)) receipts.left(instance, 'lost', now)
      receipts.expire(now)
      setPace()
    },
    get isOversize() {
      return isOversize
    },
    get polling() {
      return overHttp.size
    },
    breakers(rollout) {
      let open = 0
      let instances = 0
      for (const list of [members, overHttp.views()]) {
        for (const { breakers } of list) {
          instances++
          if (breakers.includes(rollout)) open++
        }
      }
      return { open, instances }
    },
    instances: () => [...[...members, ...pages.sessions()].flatMap(viewOf), ...overHttp.views(), ...pages.overHttp()],
    convergence: () =>
      receipts.list(clock.monotonic()).map((each, i) => {
        // Of the newest alone: to count ten thousand pages for each of a hundred versions would take too long.
        const there = i === 0 ? pagesAt(each.version) : undefined
        return there === undefined ? each : { ...each, pages: there }
      }),
  }
}

const unreadable = messageFrame({
  type: 'error',
  code: 'unavailable',
  message: 'the ruleset cannot be read now; come back later',
  retry: true,
})

function viewOf(session: Session): InstanceView[] {
  const { hello } = session
  if (hello === undefined) return []
  return [
    {
      instance: hello.instance,
      environment: session.environment,
      kind: session.kind === 'web' ? 'page' : 'server',
      sdk: hello.sdk,
      labels: hello.labels ?? {},
      connectedAt: session.connectedAt,
      lastSeenAt: session.lastSeenAt,
      appliedVersion: session.appliedVersion,
      bufferedBytes: session.bufferedBytes,
      transport: 'socket',
      breakers: session.breakers,
    },
  ]
}
