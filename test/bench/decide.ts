/**
 * `npm run bench -- decide`: the cost of a decision against the hash alone, and whether it depends on the number of rollouts. The task: three
 * rules (plan in a list, country, then 25 % by user), as in other SDKs' benchmarks.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compileRuleset, decide, decideAll } from '@pipit/shared/decide'
import { prepareSalt, saltedHash } from '@pipit/shared/hash'
import type { RulesetRollout } from '@pipit/shared/rules'
import type { VariantTimes } from './decide-variant.ts'
import { rolloutKeys, taskRuleset, users as taskUsers } from './decision-task.ts'
import type { Row } from './row.ts'
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

const task = compileRuleset(taskRuleset(1000))
const taskKeys = rolloutKeys(1000)

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

const asked = 50
printTimings(
  'all of 1000 rollouts for one user, a cohort and a country in each: a rollout',
  sideBySide(
    [
      {
        name: 'one by one, into an object',
        run: () => {
          let sum = 0
          for (let i = 0; i < asked; i++) {
            const variants: { [key: string]: string } = Object.create(null)
            for (const key of taskKeys) variants[key] = decide(task, key, taskUsers[i]).variant
            sum += Object.keys(variants).length
          }
          return sum
        },
      },
      {
        name: 'variants(user)',
        run: () => {
          let sum = 0
          for (let i = 0; i < asked; i++) sum += Object.keys(decideAll(task, taskUsers[i])).length
          return sum
        },
      },
    ],
    asked * 1000,
  ),
)

/** `sdk.variant(user, key)` may cost so much more than a hand-written closure. */
const bar = 1.5
/** One rollout of a thousand may cost so much more than the only one. */
const growthBar = 1.2

const counts = [1, 100, 1000]
const script = fileURLToPath(new URL('./decide-variant.ts', import.meta.url))
const measured = counts.map(
  (count) => JSON.parse(execFileSync(process.execPath, [script, String(count)], { encoding: 'utf8' })) as VariantTimes,
)

console.log('\nsdk.variant(user, key) against a hand-written closure: a cohort, a country, 10 % of UUIDs')
const found: Row[] = []
const verdict = (ratio: number, limit: number): string =>
  `${ratio.toFixed(2)} x  (bar ${limit} x: ${ratio > limit ? 'MISSED' : 'met'})`
const nanoseconds = (value: number): string => `${value.toFixed(1)} ns`
measured.forEach(({ ours, floor, clauses }, i) => {
  for (const [at, how] of [
    [0, `one of ${counts[i]}`],
    [1, `${counts[i]} in turn`],
  ] as const) {
    const times = `${ours[at].toFixed(1).padStart(6)} ns, by hand ${floor[at].toFixed(1).padStart(6)} ns`
    const ratio = ours[at] / floor[at]
    console.log(`  ${how.padEnd(16)} ${times}  ${verdict(ratio, bar)}`)
    const claim = `variant(user, key) against a hand-written closure, ${how} rollouts`
    const both = { ours: nanoseconds(ours[at]), floor: nanoseconds(floor[at]), ratio }
    found.push({ claim, ...both, bar: `at most ${bar} x`, met: ratio <= bar })
    const loop = `${(ours[at] / clauses[at]).toFixed(2)} x of a loop over clauses as data`
    console.log(`  ${''.padEnd(16)} ${' '.repeat(9)}  ${clauses[at].toFixed(1).padStart(6)} ns  ${loop}`)
  }
})
const [alone, , among] = measured as [VariantTimes, VariantTimes, VariantTimes]
console.log(`  one of 1000 against the only one: ${verdict(among.ours[0] / alone.ours[0], growthBar)}`)
const turn = (of: 'ours' | 'floor'): string => (among[of][1] / alone[of][1]).toFixed(2)
console.log(`  1000 in turn against the only one: ${turn('ours')} x, by hand ${turn('floor')} x (what caches cost)`)
const growth = among.ours[0] / alone.ours[0]
found.push({
  ...{ claim: 'variant(user, key), one of 1000 rollouts against the only one', ours: nanoseconds(among.ours[0]) },
  ...{ floor: nanoseconds(alone.ours[0]), ratio: growth, bar: `at most ${growthBar} x`, met: growth <= growthBar },
})

export const rows = (): Promise<readonly Row[]> => Promise.resolve(found)
