import { readFileSync } from 'node:fs'
import { compileRuleset, type DecideContext, type DecideEnvironment, decide, type User } from '@pipit/shared/decide'
import { prepareHash64 } from '@pipit/shared/hash'
import { memberListOf, type Rule, validateRules } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'

const text = readFileSync(new URL('../../shared/src/rules/README.md', import.meta.url), 'utf8')
const recipes: readonly Rule[] = [...text.matchAll(/^```json\n(.*?)^```/gms)].map(([, json]) => JSON.parse(json ?? ''))

interface Situation {
  readonly user?: User
  readonly context?: DecideContext
  readonly at?: string
}

const agent = { os: 'macOS', osVersion: '14.5', engine: 'WebKit', mobile: false, tablet: false, bot: false }
/** User agents as `Safari/15.6`; what reads real ones is tested where it is. */
const userAgent: DecideEnvironment['userAgent'] = (header) => {
  const [browser, version] = header.split('/')
  return { ...agent, browser, version, bot: browser === 'curl', mobile: browser === 'Samsung Internet' }
}
const from = (header: string): DecideContext => ({ headers: { 'user-agent': header } })
const app = (version: string): DecideContext => ({ headers: { 'x-app-version': version } })
const ip = (address: unknown): User => ({ id: '9', ip: address })

/** For each recipe of the page: whom it meets, and whom it does not. */
const situations: { readonly [rule: string]: readonly [meets: readonly Situation[], not: readonly Situation[]] } = {
  qa: [[{ context: { headers: { 'x-canary': 'qa' } } }], [{ context: { headers: { 'X-Canary': 'no' } } }, {}]],
  dutch: [[{ user: { id: '9', country: 'NL' } }], [{ user: { id: '9', country: 'nl' } }, {}]],
  'benelux-south': [
    [{ user: { id: '9', country: 'LU' } }, { user: { id: '9', country: 'BE', region: 'VLG' } }],
    [{ user: { id: '9', country: 'BE', region: 'BRU' } }, { user: { id: '9', country: 'NL' } }],
  ],
  'new-app': [
    [
      { user: 'beta-user', context: app('4.2.0') },
      { user: 'beta-user', context: app('v4.10') },
    ],
    [
      { user: 'beta-user', context: app('4.2.0-rc.1') },
      { user: 'beta-user', context: app('5.0.0') },
      { user: 'beta-user' },
      { user: 'other', context: app('4.2.0') },
    ],
  ],
  'weekend-nights': [
    [{ at: '2026-03-06T22:00+01:00' }, { at: '2026-03-08T05:59+01:00' }, { at: '2026-07-03T22:30+02:00' }],
    [{ at: '2026-03-06T05:00+01:00' }, { at: '2026-03-08T06:00+01:00' }, { at: '2026-03-08T23:00+01:00' }, {}],
  ],
  'old-safari': [
    [{ context: from('Safari/15.6.1') }],
    [{ context: from('Safari/16.0') }, { context: from('Firefox/15') }, {}],
  ],
  'no-bots': [[{ context: from('curl/8.5') }], [{ context: from('Safari/17') }, {}]],
  office: [
    [{ user: ip('192.0.2.77') }, { user: ip('2001:db8:1::2') }, { user: ip('::ffff:192.0.2.1') }],
    [{ user: ip('192.0.3.77') }, { user: ip('192.0.2.77:443') }, {}],
  ],
  'new-accounts': [
    [
      { user: { id: '9', createdAt: '2026-03-15T08:00:00Z', plan: 'pro' }, context: from('Safari/17') },
      { user: { id: '9', createdAt: 1_773_000_000, plan: 'team' }, context: from('Safari/17') },
    ],
    [
      { user: { id: '9', createdAt: new Date('2026-03-31T22:00:00Z'), plan: 'pro' }, context: from('Safari/17') },
      { user: { id: '9', createdAt: '2026-03-15', plan: 'pro' }, context: from('Samsung Internet/25') },
      { user: { id: '9', createdAt: '2026-03-15', plan: 'free' }, context: from('Safari/17') },
      { user: { id: '9', createdAt: '2026-03-15', plan: 'pro' } },
    ],
  ],
}

describe('the recipes of the page on rules', () => {
  it('are all tested here, and valid', () => {
    expect(recipes.map((rule) => rule.name)).toEqual(Object.keys(situations))
    expect(validateRules(recipes, { variants: ['stable', 'canary'], cohorts: ['beta'] }, 'rules')).toEqual([])
  })

  it.each(recipes.map((rule) => [rule.name, rule] as const))('decide as described: %s', (name, rule) => {
    const variants = [{ name: 'stable' }, { name: 'canary' }]
    const rollout = { phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 0, variants } as const
    const compiled = compileRuleset({
      version: 1,
      environment: 'production',
      unitSalt: 'u',
      rollouts: { r: { ...rollout, rules: [rule] } },
      cohorts: { beta: { members: memberListOf(['beta-user'], prepareHash64('u')) } },
    })
    const ruleOf = ({ user = 'someone', context, at = '2026-03-04T12:00Z' }: Situation): string | undefined =>
      decide(compiled, 'r', user, context, { now: () => Date.parse(at), userAgent }).rule
    const [meets, not] = situations[name] ?? [[], []]
    for (const situation of meets) expect(ruleOf(situation), JSON.stringify(situation)).toBe(name)
    for (const situation of not) expect(ruleOf(situation), JSON.stringify(situation)).toBeUndefined()
  })
})
