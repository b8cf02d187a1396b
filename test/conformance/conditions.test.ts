import { readFileSync } from 'node:fs'
import { type Condition, compileCondition, createCohortIndex, validateCondition } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'

interface OutsideCase {
  readonly name: string
  readonly category: string
  readonly condition: Condition
  readonly attributes: { readonly [name: string]: unknown }
  readonly cohorts: { readonly [key: string]: readonly unknown[] } | null
  readonly expected: boolean
}

/** From growthbook/growthbook, MIT (shared/spec/licences): saved groups are cohorts here. */
const outside = JSON.parse(
  readFileSync(new URL('../../shared/spec/conditions-outside.json', import.meta.url), 'utf8'),
) as {
  readonly cases: readonly OutsideCase[]
}

describe('conditions', () => {
  it.each(outside.cases.map((item) => [`${item.category}: ${item.name}`, item] as const))(
    'outside case %s',
    (_name, item) => {
      const cohorts = Object.fromEntries(
        Object.entries(item.cohorts ?? {}).map(([key, members]) => [key, { members: members.map(String) }]),
      )
      const predicate = compileCondition(item.condition, createCohortIndex(cohorts))
      // A condition with an operator that is not known does not match.
      expect(predicate?.(item.attributes) ?? false).toBe(item.expected)
    },
  )

  it('holds no outside case wrong', () => {
    expect(outside.cases).toHaveLength(125)
  })

  it('says of a condition with an unknown operator where it is and what was meant', () => {
    expect(validateCondition({ name: { $regx: 'hello' } }, 'rules[0].when')).toEqual([
      { path: 'rules[0].when.name.$regx', message: '$regx is no operator; did you mean $regex?' },
    ])
  })
})
