import {
  type CompiledRuleset,
  compileRuleset,
  type DecideEnvironment,
  type PageChoices,
  type PageTemplate,
  pageChoices,
  pageRollout,
  pageTemplate,
} from '@pipit/shared/decide'
import type { Cadence, PagePatchMessage, PageRollout, PageRulesetMessage } from '@pipit/shared/protocol'
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
type Templates = { readonly [key: string]: PageTemplate }
type Patches = { [key: string]: { readonly [field: string]: unknown } }

/** What was decided for a page's user, and the same as text: pages of the same text get the same bytes. */
export interface Decided extends PageChoices {
  /** False: the page is to split by the anonymous id, whatever it takes its user for. */
  readonly isProved: boolean
  readonly text: string
}

/** An edition of an environment as pages may know it. */
export interface PageEdition {
  readonly edition: Edition
  readonly version: number
  readonly compiled: CompiledRuleset
  /** By rollout, for a page whose user is proved, or not. */
  templates(isProved: boolean): Templates
  readonly cadence: Cadence
  /** Whether what is decided before the split may change by itself with the hour. */
  readonly goesByTime: boolean
  decide(visitor: Visitor, environment: DecideEnvironment): Decided
  rollouts(decided: Decided): Rollouts
  /** The `ruleset` message for pages of which this was decided. */
  text(decided: Decided): string
  frame(decided: Decided): Buffer
  /** From another edition, or from what this one decided before. The whole, where a patch cannot say it. */
  changeFrame(before: PageEdition, was: Decided, is: Decided): Buffer
}

export function createPageEdition(edition: Edition, previous?: PageEdition): PageEdition {
  const compiled = compileRuleset(edition.ruleset, previous?.compiled)
  const proved: { [key: string]: PageTemplate } = {}
  for (const [key, rollout] of compiled.rollouts)
    if (rollout.source.browser === true) proved[key] = pageTemplate(rollout)
  let unproved: Templates | undefined
  const templates = (isProved: boolean): Templates => {
    if (isProved) return proved
    unproved ??= mapValues(proved, byAnonymousId)
    return unproved
  }
  const cadence = { flushMs: flushMsOf(proved), heartbeatMs: edition.cadence.heartbeatMs }
  const { version } = compiled
  const rollouts = (decided: Decided): Rollouts =>
    mapValues(templates(decided.isProved), (template, key) => pageRollout(key, template, decided))
  const texts = keep((decided: Decided): string =>
    encode({ type: 'ruleset', ruleset: { version, rollouts: rollouts(decided) }, ...cadence }),
  )
  const frames = keep((decided: Decided) => textFrame(texts(decided.text, decided)))
  let unlisted: CompiledRuleset | undefined
  let change: Change | undefined

  const made: PageEdition = {
    ...{ edition, version, compiled, templates, cadence, rollouts },
    goesByTime: goesByTime(compiled),
    decide({ user, cookies, agent, isProved }, environment) {
      const headers = agent === undefined ? {} : { 'user-agent': agent }
      if (!isProved) unlisted ??= compileRuleset(withoutLists(edition.ruleset))
      const choices = pageChoices(isProved ? compiled : (unlisted ?? compiled), user, { headers, cookies }, environment)
      return { ...choices, isProved, text: `${isProved ? '' : '!'}${JSON.stringify(choices)}` }
    },
    text: (decided) => texts(decided.text, decided),
    frame: (decided) => frames(decided.text, decided),
    changeFrame(before, was, is) {
      if (change?.before !== before) change = createChange(before, made)
      return change.patch(was, is) ?? made.frame(is)
    },
  }
  return made
}

/** The way from one edition to another, or to what the same one decides later. */
interface Change {
  readonly before: PageEdition
  /** As a frame; undefined where everything is to be told. */
  patch(was: Decided, is: Decided): Buffer | undefined
}

function createChange(before: PageEdition, after: PageEdition): Change {
  const had = before.templates(true)
  /** Where what is told hangs on the user: of the rest, everybody is told the same fields. */
  const personal = Object.entries(after.templates(true))
    .filter(([key, template]) => !sameJson(choicesIn(at(had, key)), choicesIn(template)))
    .map(([key]) => key)
  const patches = keep(({ was, is }: Step) => {
    const patch = patchOf(before, after, was, is)
    return { frame: patch && textFrame(encode(patch)) }
  })
  /** Most choices stay as they are: then few of them count, if any. */
  const briefOf = ({ isProved, results, canaries }: Decided): string =>
    JSON.stringify([isProved, personal.map((key) => [at(results, key), at(canaries, key)])])
  return {
    before,
    patch: (was, is) => patches(was.text === is.text ? briefOf(is) : `${was.text} ${is.text}`, { was, is }).frame,
  }
}

/** As it is for who cannot be told by an id: an anonymous id that is the id of a member or of an override is neither's. */
function withoutLists(ruleset: Ruleset): Ruleset {
  const rollouts = Object.entries(ruleset.rollouts).map(([key, { overrides: _units, ...rest }]) => [key, rest] as const)
  const cohorts = Object.entries(ruleset.cohorts).map(([key, { members: _hashes, ...rest }]) => [key, rest] as const)
  return { ...ruleset, rollouts: Object.fromEntries(rollouts), cohorts: Object.fromEntries(cohorts) }
}

const choicesIn = ({ canary, payloads, result }: Partial<PageTemplate> = {}) => ({ canary, payloads, result })

interface Step {
  readonly was: Decided
  readonly is: Decided
}

const encode = (message: PagePatchMessage | PageRulesetMessage): string => JSON.stringify(message)

const at = <T>(record: { readonly [key: string]: T }, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

const mapValues = <T, V>(record: { readonly [key: string]: T }, map: (value: T, key: string) => V) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))

const byAnonymousId = (template: PageTemplate): PageTemplate => ({
  ...template,
  common: { ...template.common, unit: 'anonymousId' },
})

/** Undefined where a rollout went, or a field that pages cannot be told is gone. */
function patchOf(before: PageEdition, after: PageEdition, was: Decided, is: Decided): PagePatchMessage | undefined {
  // To a page, a patch from no version would be the whole.
  if (before.version === 0) return undefined
  const held = before.rollouts(was)
  const told = after.rollouts(is)
  if (Object.keys(held).some((key) => !Object.hasOwn(told, key))) return undefined
  const rollouts: Patches = {}
  for (const [key, rollout] of Object.entries(told)) {
    const fields = changedFields(at(held, key), rollout)
    if (fields === undefined) return undefined
    if (Object.keys(fields).length > 0) rollouts[key] = fields
  }
  return {
    type: 'patch',
    from: before.version,
    version: after.version,
    rollouts,
    ...(before.cadence.flushMs === after.cadence.flushMs ? {} : { flushMs: after.cadence.flushMs }),
  }
}

/** Undefined where another field than the result is gone. */
function changedFields(
  before: PageRollout | undefined,
  after: PageRollout,
): { readonly [field: string]: unknown } | undefined {
  const had = (before ?? {}) as { readonly [field: string]: unknown }
  const fields: { [field: string]: unknown } = {}
  for (const [field, value] of Object.entries(after)) if (!sameJson(had[field], value)) fields[field] = value
  for (const field of Object.keys(had)) {
    if (Object.hasOwn(after, field)) continue
    if (field !== 'result') return undefined
    fields.result = null
  }
  return fields
}

function flushMsOf(templates: Templates): number {
  const isJudged = Object.values(templates).some(
    ({ common: { phase } }) => phase === 'running' || phase === 'paused' || phase === 'awaiting-approval',
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
