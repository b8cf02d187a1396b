import type { Random } from '../clock/index.ts'
import { closeCodes, wireLimits } from '../protocol/index.ts'
import { backoffMs, refusedBackoffMs } from './backoff.ts'

/**
 * The socket's life as a pure machine: `step(state, event) → { state, effects }`.
 *
 *     waiting ──timer──▶ opening ──opened──▶ open ──closed, silent──▶ waiting
 *                           └──closed, timeout──▶ waiting          any ──stop──▶ stopped
 */
export type LinkState =
  /** `spreadMs`: over how long the server asked its SDKs to return, until it is back. Who comes too early must not return with all the others. */
  | { readonly phase: 'waiting'; readonly failures: number; readonly spreadMs?: number }
  | { readonly phase: 'opening'; readonly failures: number; readonly spreadMs?: number }
  | { readonly phase: 'open'; readonly failures: number; readonly heardAt: number; readonly heartbeatMs: number }
  | { readonly phase: 'stopped' }

export type LinkEvent =
  | { readonly type: 'timer' }
  | { readonly type: 'opened' }
  /** Anything came from the server. */
  | { readonly type: 'heard'; readonly heartbeatMs?: number }
  | { readonly type: 'closed'; readonly code: number; readonly reason: string }
  | { readonly type: 'stop' }

export type LinkEffect =
  | { readonly type: 'connect' }
  | { readonly type: 'hello' }
  | { readonly type: 'ping' }
  /** Lets go of the socket; its later events are to be ignored. */
  | { readonly type: 'drop' }
  /** The next `timer` event is due in so many milliseconds; replaces the one before. */
  | { readonly type: 'wait'; readonly ms: number }

export interface LinkStep {
  readonly state: LinkState
  readonly effects: readonly LinkEffect[]
}

export const openTimeoutMs = 10_000
const defaultHeartbeatMs = 15_000
/** Silent for three heartbeats is gone. The check comes once a heartbeat, so the third may be a moment short of its end. */
const silentBeats = 2.5

export const initialLink: LinkState = { phase: 'waiting', failures: 0 }

export function step(state: LinkState, event: LinkEvent, now: number, random: Random): LinkStep {
  if (event.type === 'stop') return { state: { phase: 'stopped' }, effects: [{ type: 'drop' }] }
  switch (state.phase) {
    case 'stopped':
      return { state, effects: [] }
    case 'waiting':
      if (event.type !== 'timer') return { state, effects: [] }
      return {
        state: { ...state, phase: 'opening' },
        effects: [{ type: 'connect' }, { type: 'wait', ms: openTimeoutMs }],
      }
    case 'opening':
      return stepOpening(state, event, now, random)
    case 'open':
      return stepOpen(state, event, now, random)
  }
}

function stepOpening(state: LinkState & { phase: 'opening' }, event: LinkEvent, now: number, random: Random): LinkStep {
  switch (event.type) {
    case 'opened':
      return {
        state: { phase: 'open', failures: state.failures, heardAt: now, heartbeatMs: defaultHeartbeatMs },
        effects: [{ type: 'hello' }, { type: 'wait', ms: defaultHeartbeatMs }],
      }
    case 'timer':
      return lost(state.failures, [{ type: 'drop' }], backoffMs(state.failures, random, state.spreadMs), state.spreadMs)
    case 'closed':
      return closedBy(event, state.failures, random, state.spreadMs)
    default:
      return { state, effects: [] }
  }
}

function stepOpen(state: LinkState & { phase: 'open' }, event: LinkEvent, now: number, random: Random): LinkStep {
  switch (event.type) {
    case 'heard': {
      const heartbeatMs = event.heartbeatMs ?? state.heartbeatMs
      // The server has spoken: the connection is good, so the next loss starts from the shortest wait again.
      const next: LinkState = { phase: 'open', failures: 0, heardAt: now, heartbeatMs }
      return { state: next, effects: heartbeatMs === state.heartbeatMs ? [] : [{ type: 'wait', ms: heartbeatMs }] }
    }
    case 'timer':
      if (now - state.heardAt > silentBeats * state.heartbeatMs) {
        return lost(state.failures, [{ type: 'drop' }], backoffMs(state.failures, random))
      }
      return { state, effects: [{ type: 'ping' }, { type: 'wait', ms: state.heartbeatMs }] }
    case 'closed':
      return closedBy(event, state.failures, random)
    default:
      return { state, effects: [] }
  }
}

function lost(failures: number, effects: readonly LinkEffect[], delayMs: number, spreadMs?: number): LinkStep {
  return {
    state: { phase: 'waiting', failures: failures + 1, ...(spreadMs === undefined ? {} : { spreadMs }) },
    effects: [...effects, { type: 'wait', ms: delayMs }],
  }
}

function closedBy(
  { code, reason }: LinkEvent & { type: 'closed' },
  failures: number,
  random: Random,
  spreadMs?: number,
): LinkStep {
  const told = /^\d{1,7}$/.test(reason) ? Number(reason) : 0
  if (code === closeCodes.unauthorized) return lost(failures, [], refusedBackoffMs(random))
  // A server that goes away tells over how many milliseconds its SDKs should spread their return.
  if (code === closeCodes.goingAway && told > 0) {
    return lost(failures, [], random() * told, Math.min(told, wireLimits.retryAfterMs))
  }
  if (code === closeCodes.tryLater && told > 0) {
    // It is there and has too much to do: no failure, which would in the end mean HTTP and as much work again.
    const ms = Math.min(told, wireLimits.retryAfterMs) * (1 + random())
    return { state: { phase: 'waiting', failures }, effects: [{ type: 'wait', ms }] }
  }
  return lost(failures, [], backoffMs(failures, random, spreadMs), spreadMs)
}
