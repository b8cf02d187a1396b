import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@pipit/shared/clock'
import type { DecideEnvironment } from '@pipit/shared/decide'
import { encodeMessage, type Hello, type WireError } from '@pipit/shared/protocol'
import type { InstanceView } from '../api.ts'
import type { Edition } from '../edition.ts'
import { messageFrame } from '../frame.ts'
import { createHttpInstances } from '../http-instances.ts'
import type { HubLimits } from '../limits.ts'
import { limitError, type Session } from '../session.ts'
import type { Claim } from './identify.ts'
import { createPageEdition, type Decided, type PageEdition } from './page-edition.ts'
import type { Visitor } from './visitor.ts'

/** Pages decided for before others get their turn. */
const pagesPerTurn = 200
const minuteMs = 60_000

export interface PageChannelParts {
  readonly clock: Clock
  readonly edition: () => Promise<Edition>
  readonly userAgent: DecideEnvironment['userAgent']
  /** Does not read: to be brought up to date when it does, or cut. */
  readonly slow: (session: Session) => void
  readonly limits: HubLimits
  readonly environment: string
  /** Who the user of a page is, as far as it may claim. */
  readonly identify: (claim: Claim, agent: string | undefined) => Promise<Visitor>
  readonly count: (counter: string) => void
  /** Bytes that are kept for open pages; false where they are too many. */
  readonly hold: (bytes: number) => boolean
  readonly release: (bytes: number) => void
}

/** The pages of one environment. */
export interface PageChannel {
  /** Answers a `hello`: from here on the page gets every change, and every change of what is decided for its user. */
  greet(session: Session, hello: Hello): Promise<void>
  catchUp(session: Session): void
  /** Resolves when every page has what is newest. */
  push(edition: Edition): Promise<void>
  /** Decides anew where the hour counts and a minute is over. */
  tick(): Promise<void>
  leave(session: Session): void
  /** Who is there, and has been answered. */
  sessions(): Iterable<Session>
  /** Who a page's user is, as far as it may claim. */
  identify(claim: Claim, agent: string | undefined): Promise<Visitor>
  edition(): Promise<PageEdition>
  /** Answers the `hello` of a page that has no socket, with messages as text. */
  answer(hello: Hello, agent: string | undefined): Promise<readonly string[]>
  /** Pages that have no socket. */
  overHttp(): Iterable<InstanceView>
}

interface Seat {
  readonly hello: Hello
  readonly bytes: number
  readonly visitor: Promise<Visitor>
  /** What was sent last: by which edition, for whom, and with which results. */
  sent: { readonly edition: PageEdition; readonly visitor: Visitor; readonly decided: Decided } | undefined
}

export function createPageChannel(parts: PageChannelParts): PageChannel {
  const { clock } = parts
  const environment: DecideEnvironment = { now: () => clock.now(), userAgent: parts.userAgent }
  const seats = new Map<Session, Seat>()
  const overHttp = createHttpInstances(clock, parts.limits, 'page')
  /** That their user counts as anonymous. */
  const told = new WeakSet<Session>()
  let current: PageEdition | undefined
  let minute = minuteOf()

  function minuteOf(): number {
    return Math.floor(clock.now() / minuteMs)
  }

  function turn(edition: Edition): PageEdition {
    if (current?.edition !== edition) current = createPageEdition(edition, current)
    return current
  }

  const newest = async (): Promise<PageEdition> => turn(await parts.edition())

  function write(session: Session, seat: Seat, frame: Buffer, sent: NonNullable<Seat['sent']>): void {
    session.send(frame)
    session.sentVersion = sent.edition.version
    seat.sent = sent
  }

  function whole(session: Session, seat: Seat, edition: PageEdition, visitor: Visitor): void {
    const decided = edition.decide(visitor, environment)
    write(session, seat, edition.frame(decided), { edition, visitor, decided })
  }

  /** The page has what is newest, and its results as they are now. */
  function bring(session: Session, seat: Seat, edition: PageEdition): void {
    const { sent } = seat
    if (session.isClosed || sent === undefined) return
    if (session.isSlow) return parts.slow(session)
    const decided = edition.decide(sent.visitor, environment)
    if (sent.edition === edition && sent.decided.text === decided.text) return
    write(session, seat, edition.changeFrame(sent.edition, sent.decided, decided), { ...sent, edition, decided })
  }

  async function bringAll(edition: PageEdition): Promise<void> {
    let done = 0
    for (const [session, seat] of [...seats]) {
      if (++done % pagesPerTurn === 0) await setImmediate()
      // A newer one comes with a push of its own.
      if (current !== edition) return
      if (seats.get(session) === seat) bring(session, seat, edition)
    }
  }

  function refuse(session: Session): void {
    parts.count('page_users_unproved')
    if (told.has(session) || session.isSlow) return
    told.add(session)
    session.send(unprovedFrame)
  }

  return {
    async greet(session, hello) {
      parts.release(seats.get(session)?.bytes ?? 0)
      seats.delete(session)
      const bytes = heldBytes(hello)
      if (!parts.hold(bytes)) {
        parts.count('page_limited')
        return session.send(messageFrame(limitError('pageHeldBytes')))
      }
      const seat: Seat = { hello, bytes, visitor: parts.identify(hello, session.agent), sent: undefined }
      seats.set(session, seat)
      const visitor = await seat.visitor
      const edition = await newest()
      // It left, or has greeted for another user meanwhile.
      if (session.isClosed || seats.get(session) !== seat) return
      if (visitor.isRefused) refuse(session)
      overHttp.forget(hello.instance)
      if (session.isSlow) {
        seat.sent = { edition, visitor, decided: edition.decide(visitor, environment) }
        session.sentVersion = 0
        return parts.slow(session)
      }
      whole(session, seat, edition, visitor)
    },
    catchUp(session) {
      const seat = seats.get(session)
      if (current === undefined || seat?.sent === undefined || session.isClosed) return
      whole(session, seat, current, seat.sent.visitor)
    },
    push: async (edition) => {
      if (seats.size === 0) return
      await bringAll(turn(edition))
    },
    async tick() {
      overHttp.expire()
      const now = minuteOf()
      if (now === minute) return
      minute = now
      if (current?.goesByTime === true) await bringAll(current)
    },
    leave(session) {
      const seat = seats.get(session)
      parts.release(seat?.bytes ?? 0)
      seats.delete(session)
    },
    *sessions() {
      for (const [session, { sent }] of seats) if (sent !== undefined) yield session
    },
    identify: parts.identify,
    edition: newest,
    async answer(hello, agent) {
      const visitor = await parts.identify(hello, agent)
      const edition = await newest()
      if (visitor.isRefused) parts.count('page_users_unproved')
      const { instance, sdk, version = edition.version } = hello
      overHttp.heard({ instance, environment: parts.environment, sdk: `${sdk.name}/${sdk.version}`, version })
      const told = edition.text(edition.decide(visitor, environment))
      return visitor.isRefused ? [encodeMessage(unproved), told] : [told]
    },
    overHttp: () => overHttp.views(),
  }
}

/** In two bytes a character, as they may be kept. */
const heldBytes = ({ user = {}, cookies = {} }: Hello): number => 2 * JSON.stringify([user, cookies]).length

const unproved: WireError = {
  type: 'error',
  code: 'user-hash',
  message:
    'this environment asks for userHash, the hex HMAC-SHA256 of the user id under its page secret, and it was missing or wrong: the user counts as anonymous, without id and attributes',
  retry: false,
}
const unprovedFrame = messageFrame(unproved)
