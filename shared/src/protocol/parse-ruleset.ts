import { bucketCount } from '../hash/index.ts'
import { phases, type Ruleset, type RulesetRollout } from '../rules/index.ts'
import { count, Fault, finite, type JsonRecord, list, named, optionalText, own, record, text } from './check.ts'
import { wireLimits } from './messages.ts'
import { readCohort } from './parse-cohort.ts'

/**
 * Checks that a ruleset has the shape that deciding relies on. Conditions are not checked here: those that cannot be compiled do not
 * match. Throws `Fault`.
 */
export function readRuleset(value: unknown, path: string): Ruleset {
  const source = record(value, path)
  count(source, 'version', path)
  text(source, 'environment', path)
  text(source, 'unitSalt', path, 128, 0)
  if (own(source, 'holdback') !== undefined) finite(source, 'holdback', path, 0, 100)
  for (const [key, rollout] of Object.entries(record(own(source, 'rollouts'), named(path, 'rollouts')))) {
    readRollout(rollout, `${named(path, 'rollouts')}.${key}`)
  }
  const cohorts = Object.entries(record(own(source, 'cohorts'), named(path, 'cohorts'))).map(
    ([key, cohort]) => [key, readCohort(cohort, `${named(path, 'cohorts')}.${key}`)] as const,
  )
  return { ...(value as Ruleset), cohorts: Object.fromEntries(cohorts) }
}

function texts(source: JsonRecord, key: string, path: string, limit: number): void {
  list(source, key, path, limit)?.forEach((item, i) => {
    if (typeof item !== 'string') throw new Fault(`${named(path, key)}[${i}]`, 'must be a text')
  })
}

export function readRollout(value: unknown, path: string): RulesetRollout {
  const source = record(value, path)
  if (!phases.includes(own(source, 'phase') as never))
    throw new Fault(`${path}.phase`, `must be one of ${phases.join(', ')}`)
  text(source, 'salt', path, 256, 0)
  if (own(source, 'hash') !== 1) throw new Fault(`${path}.hash`, 'must be 1, the only hash this version knows')
  count(source, 'epoch', path)
  finite(source, 'weight', path, 0, 100)
  optionalText(source, 'stage', path)
  readUnit(source, path)
  readEligibility(source, path)
  optionalText(source, 'winner', path)
  readVariants(source, path)
  readDeal(source, path)
  list(source, 'rules', path, 10_000)?.forEach((rule, i) => {
    readRule(rule, `${path}.rules[${i}]`)
  })
  texts(source, 'cohorts', path, 10_000)
  texts(source, 'events', path, 10_000)
  texts(source, 'slices', path, wireLimits.slices)
  readRest(source, path)
  return value as RulesetRollout
}

function readUnit(source: JsonRecord, path: string): void {
  const paths = own(source, 'unit')
  if (!Array.isArray(paths)) return void optionalText(source, 'unit', path)
  if (paths.length === 0) throw new Fault(`${path}.unit`, 'must name at least one attribute')
  texts(source, 'unit', path, 16)
  const at = paths.indexOf('')
  if (at >= 0) throw new Fault(`${path}.unit[${at}]`, 'must be the path of an attribute')
}

function readDeal(source: JsonRecord, path: string): void {
  let before = 0
  list(source, 'deal', path, 10_000)?.forEach((item, i) => {
    const [arm, to] = Array.isArray(item) ? item : []
    if (typeof arm !== 'string' || !Number.isSafeInteger(to) || to < before || to > bucketCount)
      throw new Fault(`${path}.deal[${i}]`, `must be the name of an arm and a bucket from ${before} to ${bucketCount}`)
    before = to
  })
}

function readEligibility(source: JsonRecord, path: string): void {
  const assign = own(source, 'assign')
  if (assign !== undefined && assign !== 'request') throw new Fault(`${path}.assign`, 'must be "request"')
  list(source, 'prerequisites', path, 100)?.forEach((item, i) => {
    const prerequisite = record(item, `${path}.prerequisites[${i}]`)
    text(prerequisite, 'rollout', `${path}.prerequisites[${i}]`)
    optionalText(prerequisite, 'variant', `${path}.prerequisites[${i}]`)
  })
  if (own(source, 'layer') === undefined) return
  const layer = record(own(source, 'layer'), `${path}.layer`)
  text(layer, 'name', `${path}.layer`)
  finite(layer, 'to', `${path}.layer`, finite(layer, 'from', `${path}.layer`, 0, 100), 100)
}

function readVariants(source: JsonRecord, path: string): void {
  const variants = list(source, 'variants', path, 100)
  if (variants === undefined || variants.length < 2)
    throw new Fault(`${path}.variants`, 'must list stable and at least one arm')
  const names = variants.map((item, i) => {
    const variant = record(item, `${path}.variants[${i}]`)
    if (own(variant, 'share') !== undefined) finite(variant, 'share', `${path}.variants[${i}]`, 0, 1e9)
    return text(variant, 'name', `${path}.variants[${i}]`)
  })
  if (!names.includes('stable')) throw new Fault(`${path}.variants`, 'must list stable and at least one arm')
}

/** Fields of a later version are let through: deciding leaves out a rule that it does not understand, and counts it. */
function readRule(value: unknown, path: string): void {
  const source = record(value, path)
  text(source, 'name', path)
  const serve = own(source, 'serve')
  if (typeof serve !== 'string') {
    const split = record(serve, `${path}.serve`)
    for (const key of Object.keys(split)) finite(split, key, `${path}.serve`, 0, 100)
  }
  for (const matcher of ['header', 'cookie', 'cohort'] as const) optionalText(source, matcher, path)
  for (const matcher of ['condition', 'when', 'time', 'userAgent'] as const) {
    if (own(source, matcher) !== undefined) record(own(source, matcher), `${path}.${matcher}`)
  }
  texts(source, 'values', path, 10_000)
}

function readRest(source: JsonRecord, path: string): void {
  const overrides = own(source, 'overrides')
  if (overrides !== undefined) {
    const entries = record(overrides, `${path}.overrides`)
    for (const unit of Object.keys(entries)) text(entries, unit, `${path}.overrides`)
  }
  const thresholds = own(source, 'thresholds')
  if (thresholds !== undefined) {
    const limits = record(thresholds, `${path}.thresholds`)
    count(limits, 'version', `${path}.thresholds`)
    const ms = list(limits, 'ms', `${path}.thresholds`, 16)
    if (ms === undefined) throw new Fault(`${path}.thresholds.ms`, 'must be a list of numbers')
    ms.forEach((item, i) => {
      if (typeof item !== 'number' || !(item > 0))
        throw new Fault(`${path}.thresholds.ms[${i}]`, 'must be a number above 0')
    })
  }
  if (own(source, 'unitSample') !== undefined) finite(source, 'unitSample', path, 0, 1)
  if (own(source, 'deadmanMs') !== undefined) finite(source, 'deadmanMs', path, 0, 1e12)
  const breaker = own(source, 'breaker')
  if (breaker !== undefined && typeof breaker !== 'boolean') throw new Fault(`${path}.breaker`, 'must be true or false')
  const browser = own(source, 'browser')
  if (browser !== undefined && browser !== true) throw new Fault(`${path}.browser`, 'must be true, or absent')
}
