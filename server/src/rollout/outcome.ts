import type { Effect, RejectionCode, RolloutEvent, RolloutState, Transition } from './state.ts'

/** A new state, what SDKs must learn of it, and who has to be told. */
export function changed(
  state: RolloutState,
  summary: string,
  notify?: { readonly level: 'info' | 'warning' | 'alert'; readonly sentence: string },
): Transition {
  const effects: Effect[] = [{ type: 'publish' }]
  if (notify !== undefined) effects.push({ type: 'notify', ...notify })
  return { ok: true, state, effects, summary }
}

/** A new state that no SDK could notice: nothing is published. */
export function quietly(
  state: RolloutState,
  summary: string,
  notify?: { readonly level: 'info' | 'warning' | 'alert'; readonly sentence: string },
): Transition {
  return { ok: true, state, effects: notify === undefined ? [] : [{ type: 'notify', ...notify }], summary }
}

export function unchanged(state: RolloutState): Transition {
  return { ok: true, unchanged: true, state }
}

export function rejected(code: RejectionCode, message: string): Transition {
  return { ok: false, code, message }
}

export function illegal(state: RolloutState, event: RolloutEvent, allowed: readonly string[]): Transition {
  const instead = allowed.length === 0 ? 'nothing can be done with it any more' : `possible now: ${allowed.join(', ')}`
  return rejected('illegal-in-phase', `${event.type} is not possible while the rollout is ${state.phase}; ${instead}`)
}
