import type { Cancel, Clock } from '../clock/index.ts'
import type { Ruleset } from '../rules/index.ts'
import type { Store } from './platform.ts'
import { decodeStored, encodeStored } from './ruleset-holder.ts'

const delayMs = 1000
/** Writing out a ruleset with millions of members takes tens of milliseconds, in which nothing is decided: a hundredth of the time at most. */
const restPerCost = 100

export interface KeeperParts {
  readonly clock: Clock
  readonly store: Store | undefined
  readonly trouble: (code: string, message: string) => void
  readonly current: () => Ruleset | undefined
  readonly found: (ruleset: Ruleset) => void
}

/** Keeps the last ruleset between two lives of the SDK. A store that fails is told of and otherwise without effect. */
export interface RulesetKeeper {
  load(): Promise<void>
  /** Saves what is newest in a second, or later where it is large: a burst of changes is one write. */
  saveLater(): void
  stop(): void
}

export function createRulesetKeeper({ clock, store, trouble, current, found }: KeeperParts): RulesetKeeper {
  let cancel: Cancel | undefined
  let costMs = 0

  async function save(): Promise<void> {
    cancel = undefined
    const ruleset = current()
    if (ruleset === undefined) return
    try {
      const began = clock.monotonic()
      const text = encodeStored(ruleset)
      costMs = clock.monotonic() - began
      await store?.save(text)
    } catch (error) {
      trouble('store', `the last ruleset cannot be kept: ${String(error)}`)
    }
  }

  return {
    async load() {
      try {
        const text = await store?.load()
        if (text === undefined) return
        const stored = decodeStored(text)
        if (stored === undefined)
          trouble('store', 'the stored ruleset is damaged and is left out; the server sends a new one')
        else found(stored)
      } catch (error) {
        trouble('store', `the stored ruleset cannot be read: ${String(error)}`)
      }
    },
    saveLater() {
      if (store !== undefined) cancel ??= clock.setTimer(Math.max(delayMs, restPerCost * costMs), () => void save())
    },
    stop() {
      cancel?.()
    },
  }
}
