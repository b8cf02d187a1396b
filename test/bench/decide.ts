/**
 * `npm run bench -- decide`: the cost of a decision against the hash alone, and whether it depends on the number of rollouts. The task: three
 * rules (plan in a list, country, then 25 % by user), as in other SDKs' benchmarks.
 */
import { compileRuleset, decide } from '@pipit/shared/decide'
import { prepareSalt, saltedHash } from '@pipit/shared/hash'
import type { RulesetRollout } from '@pipit/shared/rules'
import { printTimings, sideBySide } from './side-by-side.ts'

const plain: RulesetRollout = {
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  stage: 's',
  weight: 25,
  variants: [{ name: 'stable' }, { name: 'canary' }],
}
const ruled: RulesetRollout = {
  ...plain,
  rules: [
    { name: 'insiders', when: { plan: { $in: ['beta', 'internal'] } }, serve: 'canary' },
    { name: 'dutch', when: { country: 'NL' }, serve: 'canary' },
  ],
}

const users = Array.from({ length: 10_000 }, (_, i) => {
  const at = (i * 7919) % 10_000
  return { id: `user-${1_000_000 + at}`, plan: at % 20 === 0 ? 'beta' : 'free', country: at % 10 === 0 ? 'NL' : 'DE' }
})
const ids = users.map((user) => user.id)
const salt = prepareSalt(plain.salt)

const rulesetOf = (count: number, rollout: RulesetRollout) =>
  compileRuleset({
    version: 1,
    environment: 'production',
    unitSalt: 'u',
    rollouts: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `rollout-${i}`,
        { ...rollout, salt: `salt-${String(i).padStart(11, '0')}` },
      ]),
    ),
    cohorts: {},
  })

const one = rulesetOf(1, plain)
const hundred = rulesetOf(100, plain)
const thousand = rulesetOf(1000, plain)
const withRules = rulesetOf(1, ruled)
const thousandWithRules = rulesetOf(1000, ruled)
const keys = Array.from({ length: 1000 }, (_, i) => `rollout-${i}`)

const each = (of: (i: number) => number) => () => {
  let sum = 0
  for (let i = 0; i < users.length; i++) sum += of(i)
  return sum
}
const canary = (decision: { readonly variant: string }): number => (decision.variant === 'canary' ? 1 : 0)

printTimings(
  'a decision against the hash alone (12-character ids)',
  sideBySide(
    [
      { name: 'the hash alone', run: each((i) => saltedHash(salt, ids[i] as string)) },
      { name: 'decide by split, id as text', run: each((i) => canary(decide(one, 'rollout-0', ids[i] as string))) },
      { name: 'decide by split, user object', run: each((i) => canary(decide(one, 'rollout-0', users[i]))) },
      {
        name: 'decide by split, one of 100 rollouts',
        run: each((i) => canary(decide(hundred, 'rollout-50', users[i]))),
      },
      {
        name: 'decide by split, 1000 rollouts in turn',
        run: each((i) => canary(decide(thousand, keys[i % 1000] as string, users[i]))),
      },
      { name: 'decide by three rules', run: each((i) => canary(decide(withRules, 'rollout-0', users[i]))) },
      {
        name: 'decide by three rules, 1000 rollouts in turn',
        run: each((i) => canary(decide(thousandWithRules, keys[i % 1000] as string, users[i]))),
      },
    ],
    users.length,
    31,
  ),
)
