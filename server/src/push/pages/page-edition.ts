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

/** What was decided for a page's user, and the same as text: pages of the same text get the same bytes. */
export interface Decided {
  readonly results: Results
  /** False: the page is to split by the anonymous id, whatever it takes its user for. */
  readonly isProved: boolean
  readonly text: string
}

/** An edition of an environment as pages may know it. */
export interface PageEdition {
  readonly edition: Edition
  readonly version: number
  readonly compiled: CompiledRuleset
  /** Without results, for a page whose user is proved, or not. */
  rollouts(isProved: boolean): Rollouts
  readonly cadence: Cadence
  /** Whether what is decided before the split may change by itself with the hour. */
  readonly goesByTime: boolean
  decide(visitor: Visitor, environment: DecideEnvironment): Decided
  /** The `ruleset` message for pages of these results. */
  text(decided: Decided): string
  frame(decided: Decided): Buffer
  /** For who holds this version, and results of whom is not known: a `patch` with everything that depends on the user. */
  resultsText(decided: Decided): string
  resultsFrame(decided: Decided): Buffer
  /** From another edition, or from other results of this one. Where a rollout went, the whole. */
  changeFrame(before: PageEdition, was: Decided, is: Decided): Buffer
}

export function createPageEdition(edition: Edition, previous?: PageEdition): PageEdition {
  const compiled = compileRuleset(edition.ruleset, previous?.compiled)
  const proved: { [key: string]: PageRollout } = {}
  for (const [key, { source }] of compiled.rollouts) if (source.browser === true) proved[key] = pageRollout(source)
  let unproved: Rollouts | undefined
  const rollouts = (isProved: boolean): Rollouts => {
    if (isProved) return proved
    unproved ??= mapValues(proved, byAnonymousId)
    return unproved
  }
  const cadence = { flushMs: flushMsOf(proved), heartbeatMs: edition.cadence.heartbeatMs }
  const { version } = compiled
  const texts = keep(({ results, isProved }: Decided): string => {
    const told = mapValues(rollouts(isProved), (rollout, key) => {
      const result = at(results, key)
      return result === undefined ? rollout : { ...rollout, result }
    })
    return encode({ type: 'ruleset', ruleset: { version, rollouts: told }, ...cadence })
  })
  const frames = keep((decided: Decided) => textFrame(texts(decided.text, decided)))
  const resultsTexts = keep(({ results, isProved }: Decided) => {
    const patched = mapValues(rollouts(isProved), ({ unit = null }, key) => ({
      result: at(results, key) ?? null,
      unit,
    }))
    return encode({ type: 'patch', from: version, version, rollouts: patched, ...cadence })
  })
  const resultsFrames = keep((decided: Decided) => textFrame(resultsTexts(decided.text, decided)))
  const newChanges = () =>
    keep(({ before, was, is }: Step) => {
      const patch = patchOf(before, made, was, is)
      return patch === undefined ? made.frame(is) : textFrame(encode(patch))
    })
  let unlisted: CompiledRuleset | undefined
  let changesFrom: PageEdition | undefined
  let changes = newChanges()

  const made: PageEdition = {
    ...{ edition, version, compiled, rollouts, cadence },
    goesByTime: goesByTime(compiled),
    decide({ user, cookies, agent, isProved }, environment) {
      const headers = agent === undefined ? {} : { 'user-agent': agent }
      if (!isProved) unlisted ??= compileRuleset(withoutLists(edition.ruleset))
      const decided = pageResults(isProved ? compiled : (unlisted ?? compiled), user, { headers, cookies }, environment)
      return { results: decided, isProved, text: `${isProved ? '' : '!'}${JSON.stringify(decided)}` }
    },
    text: (decided) => texts(decided.text, decided),
    frame: (decided) => frames(decided.text, decided),
    resultsText: (decided) => resultsTexts(decided.text, decided),
    resultsFrame: (decided) => resultsFrames(decided.text, decided),
    changeFrame(before, was, is) {
      if (changesFrom !== before) {
        changesFrom = before
        changes = newChanges()
      }
      // Most results stay as they are: then what they are does not matter, unless everything is told.
      const isSame = was.text === is.text && !hasLost(before, made)
      return changes(isSame ? String(is.isProved) : `${was.text} ${is.text}`, { before, was, is })
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

const encode = (message: PagePatchMessage | PageRulesetMessage): string => JSON.stringify(message)

const at = <T>(record: { readonly [key: string]: T }, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

const mapValues = <T, V>(record: { readonly [key: string]: T }, map: (value: T, key: string) => V) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))

const byAnonymousId = (rollout: PageRollout): PageRollout => ({ ...rollout, unit: 'anonymousId' })

/** Whether a page that has the one edition has a rollout that is none of the other. */
const hasLost = (before: PageEdition, after: PageEdition): boolean =>
  Object.keys(before.rollouts(true)).some((key) => !Object.hasOwn(after.rollouts(true), key))

/** Undefined where a rollout went. */
function patchOf(before: PageEdition, after: PageEdition, was: Decided, is: Decided): PagePatchMessage | undefined {
  if (hasLost(before, after)) return undefined
  const rollouts: Patches = {}
  const held = before.rollouts(was.isProved)
  for (const [key, rollout] of Object.entries(after.rollouts(is.isProved))) {
    const had = at(held, key)
    const fields = had === rollout ? {} : changedFields(had, rollout)
    const result = at(is.results, key)
    const formerly = had === undefined ? undefined : at(was.results, key)
    if (!sameJson(formerly, result)) fields.result = result ?? null
    if (Object.keys(fields).length > 0) rollouts[key] = fields
  }
  return {
    type: 'patch',
    from: before.version,
    version: after.version,
    ...(Object.keys(rollouts).length > 0 ? { rollouts } : {}),
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
