import { readFileSync } from 'node:fs'
import { prepareHash64 } from '@pipit/shared/hash'
import {
  type Condition,
  compileCondition,
  createCohortIndex,
  memberListOf,
  type RulesetCohort,
  validateCondition,
} from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'

interface Case {
  readonly name: string
  readonly condition: Condition
  readonly attributes: { readonly [name: string]: unknown }
  /** Members are ids here. */
  readonly cohorts?: { readonly [key: string]: { readonly when?: Condition; readonly members?: readonly unknown[] } }
  readonly expected: boolean
}

interface OutsideCase extends Omit<Case, 'cohorts'> {
  readonly category: string
  readonly cohorts: { readonly [key: string]: readonly unknown[] } | null
}

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../shared/spec/${file}`, import.meta.url), 'utf8'))

const own = read('conditions.json') as { readonly specVersion: number; readonly cases: readonly Case[] }
/** From growthbook/growthbook, MIT (shared/spec/licences): saved groups are cohorts here. None is held wrong. */
const outside = read('conditions-outside.json') as { readonly cases: readonly OutsideCase[] }

const cases: readonly Case[] = [
  ...own.cases,
  ...outside.cases.map(({ category, name, condition, attributes, cohorts, expected }) => ({
    name: `outside, ${category}: ${name}`,
    condition,
    attributes,
    cohorts: Object.fromEntries(Object.entries(cohorts ?? {}).map(([key, members]) => [key, { members }])),
    expected,
  })),
]

const unitSalt = '0123456789abcdef'

/** An id that is a number is its text. */
function compileCohorts(cohorts: Case['cohorts'] = {}) {
  const compiled = Object.entries(cohorts).map(([key, { members, ...rest }]): [string, RulesetCohort] => [
    key,
    members === undefined ? rest : { ...rest, members: memberListOf(members.map(String), prepareHash64(unitSalt)) },
  ])
  return createCohortIndex(Object.fromEntries(compiled), { unitSalt })
}

describe('conditions', () => {
  it.each(cases.map((item) => [item.name, item] as const))('golden case: %s', (_name, item) => {
    const predicate = compileCondition(item.condition, compileCohorts(item.cohorts))
    expect(predicate?.(item.attributes) ?? false).toBe(item.expected)
  })

  it('has all cases of this version', () => {
    expect([own.specVersion, own.cases.length > 100, outside.cases.length]).toEqual([1, true, 125])
  })

  it('says of a condition with an unknown operator where it is and what was meant', () => {
    expect(validateCondition({ name: { $regx: 'hello' } }, 'rules[0].when')).toEqual([
      { path: 'rules[0].when.name.$regx', message: '$regx is no operator; did you mean $regex?' },
    ])
  })
})
