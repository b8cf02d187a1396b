import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { fieldOperators, groupOperators } from './condition.ts'
import { ruleMatchers, userAgentFields } from './model.ts'

const text = readFileSync(new URL('README.md', import.meta.url), 'utf8')

it.each([...fieldOperators, ...groupOperators, ...ruleMatchers, ...userAgentFields])(
  'the page on rules names %s',
  (name) => {
    expect(text).toContain(`\`${name}\``)
  },
)
