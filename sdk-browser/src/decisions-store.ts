import type { Decision } from '@pipit/shared/decide'
import type { PageClient } from './api.ts'

/** The decisions of a client as React reads them: the same object until another is due, for all who look. */
export interface DecisionsStore {
  /** `''` is the client's own rollout. */
  get(rollout: string): Decision
  /** What a server has rendered with the client's bootstrap. */
  initial(rollout: string): Decision
  /** Returns what ends it. */
  subscribe(rollout: string, listener: () => void): () => void
}

/** How often a page without connection looks whether a `deadman` is due; nothing tells of that. */
const lookMs = 5000

const stores = new WeakMap<PageClient, DecisionsStore>()

/** One for each client, so that roots of the same page cannot differ. */
export function decisionsStore(client: PageClient): DecisionsStore {
  const known = stores.get(client) ?? createStore(client)
  stores.set(client, known)
  return known
}

const keyOf = (rollout: string): string | undefined => rollout || undefined
const isSame = (one: Decision, other: Decision): boolean => JSON.stringify(one) === JSON.stringify(other)
const isDead = ({ reason }: Decision): boolean => reason === 'deadman'

function createStore(client: PageClient): DecisionsStore {
  const initials = new Map<string, Decision>()
  const current = new Map<string, Decision>()
  const listeners = new Set<{ readonly rollout: string; readonly listener: () => void }>()
  let stop: (() => void) | undefined

  function initial(rollout: string): Decision {
    const made = initials.get(rollout) ?? client.initial(keyOf(rollout))
    initials.set(rollout, made)
    return made
  }

  function get(rollout: string): Decision {
    const known = current.get(rollout)
    if (known) return known
    const made = client.decide(undefined, keyOf(rollout))
    // A page that goes on as it was rendered does not render again.
    const first = initial(rollout)
    const next = isSame(made, first) ? first : made
    current.set(rollout, next)
    return next
  }

  /** Asks again; `takes` says which news count. All learn of it after the last is there, so that they agree. */
  function look(takes: (was: Decision, is: Decision) => boolean): void {
    const shown = new Set([...listeners].map(({ rollout }) => rollout))
    let isNew = false
    for (const [rollout, was] of [...current]) {
      // Nobody is exposed to what is not shown.
      if (!shown.has(rollout)) {
        current.delete(rollout)
        continue
      }
      const is = client.decide(undefined, keyOf(rollout))
      if (isSame(was, is) || !takes(was, is)) continue
      current.set(rollout, is)
      isNew = true
    }
    if (isNew) for (const { listener } of [...listeners]) listener()
  }

  const renew = (): void => look(() => true)

  function start(): () => void {
    const off = client.on('decisions', renew)
    const timer = setInterval(() => {
      if (!client.status().connected || [...current.values()].some(isDead)) look((was, is) => isDead(was) || isDead(is))
    }, lookMs)
    renew()
    return () => {
      off()
      clearInterval(timer)
      // What comes while nobody listens is asked for anew.
      current.clear()
    }
  }

  return {
    get,
    initial,
    subscribe(rollout, listener) {
      const entry = { rollout, listener }
      listeners.add(entry)
      stop ??= start()
      return () => {
        listeners.delete(entry)
        if (listeners.size > 0) return
        stop?.()
        stop = undefined
      }
    },
  }
}
