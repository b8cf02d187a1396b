import {
  type CompiledRuleset,
  compileRuleset,
  type DecideEnvironment,
  pageResults,
  pageRollout,
} from '@pipit/shared/decide'
import type { Cadence, PagePatchMessage, PageResult, PageRollout, PageRulesetMessage } from '@pipit/shared/protocol'
import { type Ruleset, sameJson } from '@pipit/shared/rules'
import type { Edition } from '../edition.ts'
import { textFrame } from '../frame.ts'
import type { Visitor } from './visitor.ts'

/** Pages report each two seconds while a rollout of theirs is being judged, else each ten: there are many, and each has one user. */
const judgedFlushMs = 2000
const idleFlushMs = 10_000
/** Answers that are kept because many pages get the same. */
const keptAnswers = 100

type Rollouts = { readonly [key: string]: PageRollout }
type Results = { readonly [rollout: string]: PageResult }
type Patches = { [key: string]: { [field: string]: unknown } }

/** What was decided for a page's user, and the same as text: pages of the same results get the same bytes. */
export interface Decided {
  readonly results: Results
  readonly text: string
}

/** An edition of an environment as pages may know it. */
export interface PageEdition {
  readonly edition: Edition
  readonly version: number
  readonly compiled: CompiledRuleset
  /** Without results. */
  readonly rollouts: Rollouts
  readonly cadence: Cadence
  /** Whether what is decided before the split may change by itself with the hour. */
  readonly goesByTime: boolean
  decide(visitor: Visitor, environment: DecideEnvironment): Decided
  /** The `ruleset` message for pages of these results. */
  text(decided: Decided): string
  frame(decided: Decided): Buffer
  /** For who holds this version, and results of whom is not known. */
  resultsFrame(decided: Decided): Buffer
  /** From another edition, or from other results of this one. */
  patchFrame(before: PageEdition, was: Decided, is: Decided): Buffer
}

export function createPageEdition(edition: Edition, previous?: PageEdition): PageEdition {
  const compiled = compileRuleset(edition.ruleset, previous?.compiled)
  const rollouts: { [key: string]: PageRollout } = {}
  for (const [key, { source }] of compiled.rollouts) if (source.browser === true) rollouts[key] = pageRollout(source)
  const cadence = { flushMs: flushMsOf(rollouts), heartbeatMs: edition.cadence.heartbeatMs }
  const { version } = compiled
  const texts = keep((decided: Decided): string => {
    const withResults = Object.entries(rollouts).map(([key, rollout]) => {
      const result = Object.hasOwn(decided.results, key) ? decided.results[key] : undefined
      return [key, result === undefined ? rollout : { ...rollout, result }] as const
    })
    const ruleset = { version, rollouts: Object.fromEntries(withResults) }
    return JSON.stringify({ type: 'ruleset', ruleset, ...cadence } satisfies PageRulesetMessage)
  })
  const frames = keep((decided: Decided) => textFrame(texts(decided.text, decided)))
  const results = keep(({ results: all }: Decided) => {
    const patched: { [key: string]: { result: PageResult | null } } = {}
    for (const key of Object.keys(rollouts))
      patched[key] = { result: (Object.hasOwn(all, key) ? all[key] : undefined) ?? null }
    return patchFrame({ type: 'patch', from: version, version, rollouts: patched, ...cadence })
  })
  const newPatches = () => keep(({ before, was, is }: Step) => patchFrame(patchOf(before, made, was, is)))
  let unlisted: CompiledRuleset | undefined
  let patchesFrom: PageEdition | undefined
  let patches = newPatches()

  const made: PageEdition = {
    ...{ edition, version, compiled, rollouts, cadence },
    goesByTime: goesByTime(compiled),
    decide({ user, cookies, agent, isProved }, environment) {
      const headers = agent === undefined ? {} : { 'user-agent': agent }
      if (!isProved) unlisted ??= compileRuleset(withoutLists(edition.ruleset))
      const decided = pageResults(isProved ? compiled : (unlisted ?? compiled), user, { headers, cookies }, environment)
      return { results: decided, text: JSON.stringify(decided) }
    },
    text: (decided) => texts(decided.text, decided),
    frame: (decided) => frames(decided.text, decided),
    resultsFrame: (decided) => results(decided.text, decided),
    patchFrame(before, was, is) {
      if (patchesFrom !== before) {
        patchesFrom = before
        patches = newPatches()
      }
      // Most results stay as they are: then what they are does not matter.
      const key = was.text === is.text ? '' : `${was.text}${is.text}`
      return patches(key, { before, was, is })
    },
  }
  return made
}

/** As it is for who cannot be told by an id: an anonymous id that is the id of a member or of an override is neither's. */
function withoutLists(ruleset: Ruleset): Ruleset {
  const rollouts = Object.entries(ruleset.rollouts).map(([key, { overrides: _units, ...rest }]) => [key, rest] as const)
  const cohorts = Object.entries(ruleset.cohorts).map(([key, { members: _hashes, ...rest }]) => [key, rest] as const)
  return { ...ruleset, rollouts: Object.fromEntries(rollouts), cohorts: Object.fromEntries(cohorts) }
}

interface Step {
  readonly before: PageEdition
  readonly was: Decided
  readonly is: Decided
}

const patchFrame = (patch: PagePatchMessage): Buffer => textFrame(JSON.stringify(patch))

function patchOf(before: PageEdition, after: PageEdition, was: Decided, is: Decided): PagePatchMessage {
  const rollouts: Patches = {}
  for (const [key, rollout] of Object.entries(after.rollouts)) {
    const had = Object.hasOwn(before.rollouts, key) ? before.rollouts[key] : undefined
    const fields = had === rollout ? {} : changedFields(had, rollout)
    const result = Object.hasOwn(is.results, key) ? is.results[key] : undefined
    const formerly = had !== undefined && Object.hasOwn(was.results, key) ? was.results[key] : undefined
    if (!sameJson(formerly, result)) fields.result = result ?? null
    if (Object.keys(fields).length > 0) rollouts[key] = fields
  }
  const removed = Object.keys(before.rollouts).filter((key) => !Object.hasOwn(after.rollouts, key))
  return {
    type: 'patch',
    from: before.version,
    version: after.version,
    ...(Object.keys(rollouts).length > 0 ? { rollouts } : {}),
    ...(removed.length > 0 ? { removed: { rollouts: removed } } : {}),
    ...(before.cadence.flushMs === after.cadence.flushMs ? {} : { flushMs: after.cadence.flushMs }),
  }
}

function changedFields(before: PageRollout | undefined, after: PageRollout): { [field: string]: unknown } {
  const had = (before ?? {}) as { readonly [field: string]: unknown }
  const fields: { [field: string]: unknown } = {}
  for (const [field, value] of Object.entries(after)) if (!sameJson(had[field], value)) fields[field] = value
  for (const field of Object.keys(had)) if (!Object.hasOwn(after, field)) fields[field] = null
  return fields
}

function flushMsOf(rollouts: Rollouts): number {
  const isJudged = Object.values(rollouts).some(
    ({ phase }) => phase === 'running' || phase === 'paused' || phase === 'awaiting-approval',
  )
  return isJudged ? judgedFlushMs : idleFlushMs
}

/** A prerequisite may lie with a rollout that goes by the hour. */
function goesByTime({ rollouts }: CompiledRuleset): boolean {
  const all = [...rollouts.values()].map(({ source }) => source)
  const timed = new Set(all.filter(({ rules }) => rules?.some(({ time }) => time !== undefined)))
  return all.some(
    (source) =>
      source.browser === true && (timed.has(source) || (source.prerequisites !== undefined && timed.size > 0)),
  )
}

/** Remembers the last answers by a key. */
function keep<T, V>(make: (from: T) => V): (key: string, from: T) => V {
  const kept = new Map<string, V>()
  return (key, from) => {
    const before = kept.get(key)
    if (before !== undefined) return before
    const value = make(from)
    for (const oldest of kept.keys()) {
      if (kept.size < keptAnswers) break
      kept.delete(oldest)
    }
    kept.set(key, value)
    return value
  }
}
