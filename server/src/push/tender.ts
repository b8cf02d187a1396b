import type { Cancel, Clock } from '@pipit/shared/clock'
import { closeCodes } from '@pipit/shared/protocol'
import { pingFrame } from './frame.ts'
import type { HubLimits } from './limits.ts'
import type { Session } from './session.ts'

/** Parts of a heartbeat in which a part of the sessions has its turn: ten thousand pings at once would hold up everything else. */
const turns = 16

export interface TenderParts {
  readonly clock: Clock
  readonly limits: HubLimits
  readonly count: (counter: string) => void
  /** A slow reader reads again: send it what it lacks. */
  readonly catchUp: (session: Session) => void
  /** Once in each heartbeat. */
  readonly heartbeat: () => void
}

/** Looks after sockets: pings them, cuts who is silent, and brings slow readers up to date or cuts them. */
export interface Tender {
  join(session: Session): void
  leave(session: Session): void
  /** More waits for it than may. */
  slow(session: Session): void
  stop(): void
}

export function createTender({ clock, limits, count, catchUp, heartbeat }: TenderParts): Tender {
  const sessions = new Map<Session, number>()
  /** Slow readers, and since when. */
  const slow = new Map<Session, number>()
  let joined = 0
  let turn = 0
  let cancelBeat: Cancel = clock.setTimer(limits.heartbeatMs / turns, beat)
  let cancelCheck: Cancel | undefined

  function beat(): void {
    const now = clock.monotonic()
    for (const [session, itsTurn] of sessions) if (itsTurn === turn) tend(session, now)
    turn = (turn + 1) % turns
    if (turn === 0) heartbeat()
    cancelBeat = clock.setTimer(limits.heartbeatMs / turns, beat)
  }

  function tend(session: Session, now: number): void {
    if (now - session.heardAt >= 3 * limits.heartbeatMs) {
      count('silent_peers')
      session.terminate()
    } else if (session.isClosed || session.hello === undefined) return
    else if (session.isSlow) watch(session)
    else session.send(pingFrame)
  }

  function watch(session: Session): void {
    if (slow.has(session)) return
    slow.set(session, clock.monotonic())
    count('slow_readers')
    cancelCheck ??= clock.setTimer(limits.slowCheckMs, check)
  }

  function check(): void {
    const now = clock.monotonic()
    for (const [session, since] of slow) {
      if (session.isSlow && !session.isClosed) {
        if (now - since >= limits.slowMs) {
          count('slow_readers_cut')
          session.close(closeCodes.slow, 'does not read')
        }
        continue
      }
      slow.delete(session)
      catchUp(session)
    }
    cancelCheck = slow.size > 0 ? clock.setTimer(limits.slowCheckMs, check) : undefined
  }

  return {
    join(session) {
      sessions.set(session, joined++ % turns)
    },
    leave(session) {
      sessions.delete(session)
      slow.delete(session)
    },
    slow: watch,
    stop() {
      cancelBeat()
      cancelCheck?.()
    },
  }
}
