import { type CompiledRuleset, compileRuleset, recompile } from '../decide/index.ts'
import {
  applyPatch,
  changesRolloutsOnly,
  type PatchMessage,
  parseServerMessage,
  patchedRollouts,
} from '../protocol/index.ts'
import type { Ruleset } from '../rules/index.ts'
import type { ClientStatus } from './api.ts'

type Source = ClientStatus['source']

/** The ruleset in use, where it came from, and how it changes. Rulesets that are given to it are its own from there on. */
export interface RulesetHolder {
  readonly compiled: CompiledRuleset | undefined
  readonly source: Source
  /**
   * Takes a whole ruleset: from the server always, from a store or bootstrap only when nothing newer is there. False when it was
   * not taken.
   */
  take(ruleset: Ruleset, source: Source): boolean
  /** False when the patch leaves a gap: ask for the whole ruleset. */
  patch(patch: PatchMessage): boolean
}

export function createRulesetHolder(changed: (rollouts: readonly string[]) => void): RulesetHolder {
  // Plain fields and no getters: `compiled` is read at each decision.
  const held: { compiled: CompiledRuleset | undefined; source: Source } = { compiled: undefined, source: 'none' }

  function replace(ruleset: Ruleset, from: Source): void {
    const before = held.compiled
    held.compiled = compileRuleset(ruleset, before)
    held.source = from
    const keys = new Set([...Object.keys(before?.ruleset.rollouts ?? {}), ...Object.keys(ruleset.rollouts)])
    changed([...keys].filter((key) => before?.ruleset.rollouts[key] !== ruleset.rollouts[key]))
  }

  return Object.assign(held, {
    take(ruleset: Ruleset, from: Source) {
      const { compiled, source } = held
      if (from !== 'server' && compiled !== undefined && (source === 'server' || compiled.version >= ruleset.version))
        return false
      replace(ruleset, from)
      return true
    },
    patch(patch: PatchMessage) {
      const { compiled } = held
      if (compiled === undefined) return false
      if (patch.version === compiled.version && patch.from === patch.version) {
        // Nothing changed; the server confirms what this SDK holds.
        held.source = 'server'
        return true
      }
      if (patch.from === compiled.version && changesRolloutsOnly(compiled.ruleset, patch)) {
        // What is held is nobody else's: it is changed in place, at the cost of what changes.
        const rollouts = patchedRollouts(compiled.ruleset, patch)
        if (rollouts === undefined) return false
        held.compiled = recompile(compiled, rollouts, patch.version)
        held.source = 'server'
        changed(rollouts.map(([key]) => key))
        return true
      }
      const next = applyPatch(compiled.ruleset, patch)
      if (next === undefined) return false
      replace(next, 'server')
      return true
    },
  })
}

/** A stored ruleset is kept as the message it came in, so that it is checked by the same code when it is read. */
export function encodeStored(ruleset: Ruleset): string {
  return JSON.stringify({ type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000, ruleset })
}

export function decodeStored(text: string): Ruleset | undefined {
  const parsed = parseServerMessage(text)
  return parsed.ok && parsed.message.type === 'ruleset' ? parsed.message.ruleset : undefined
}
