/**
 * The task of the benchmarks of a decision: the canary for plan `beta` or `internal`, for the Netherlands, and for 10 % of the rest by
 * user. 10 000 users with UUIDs, visited in a scattered order.
 */
import { seededRandom } from '@pipit/shared/clock'
import { bucketOf, prepareSalt, saltedHash } from '@pipit/shared/hash'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'

export type TaskUser = {
  readonly id: string
  readonly plan: string
  readonly country: string
}

export const userCount = 10_000
export const weight = 10

const random = seededRandom(4)
const countries = ['DE', 'FR', 'NL', 'US', 'GB', 'ES', 'IT', 'PL', 'SE', 'JP']

function pick(shares: readonly (readonly [string, number])[]): string {
  let left = random()
  for (const [name, share] of shares) {
    left -= share
    if (left < 0) return name
  }
  return shares[0]?.[0] ?? ''
}

function uuid(): string {
  const digit = (from: number, count: number): string => (from + Math.floor(random() * count)).toString(16)
  const shape = 'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx'
  return shape.replace(/[xy]/g, (place) => (place === 'x' ? digit(0, 16) : digit(8, 4)))
}

const made = Array.from(
  { length: userCount },
  (): TaskUser => ({
    id: uuid(),
    plan: pick([
      ['free', 0.8],
      ['pro', 0.15],
      ['beta', 0.03],
      ['internal', 0.02],
    ]),
    country: countries[Math.floor(random() * countries.length)] as string,
  }),
)

/** In the order in which they are decided on, which is not that in which they lie in memory. */
export const users: readonly TaskUser[] = made.map((_, i) => made[(i * 7919) % userCount] as TaskUser)

/** Whether a rule lets this user in, so that the split is not reached. */
export const isRuled = (user: TaskUser): boolean =>
  user.plan === 'beta' || user.plan === 'internal' || user.country === 'NL'

export const rolloutKeys = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `rollout-${i}`)
const saltOf = (i: number): string => `salt-${String(i).padStart(11, '0')}`

/** The task as a ruleset of ours: a cohort, a country and a split in each rollout. */
export function taskRuleset(count: number): Ruleset {
  const rollout = (i: number): RulesetRollout => ({
    phase: 'running',
    salt: saltOf(i),
    hash: 1,
    epoch: 1,
    stage: 'tenth',
    weight,
    variants: [{ name: 'stable' }, { name: 'canary' }],
    rules: [
      { name: 'insiders', cohort: 'insiders', serve: 'canary' },
      { name: 'dutch', when: { country: 'NL' }, serve: 'canary' },
    ],
  })
  return {
    version: 1,
    environment: 'production',
    unitSalt: 'unit-salt-000000',
    rollouts: Object.fromEntries(rolloutKeys(count).map((key, i) => [key, rollout(i)])),
    cohorts: { insiders: { when: { plan: { $in: ['beta', 'internal'] } } } },
  }
}

/** The least that a program can do for the task: a Map look-up, two clauses, the hash with the salt as its seed, a counter. */
export function handWritten(count: number): (user: TaskUser, key: string) => string {
  const counters = new Uint32Array(count * 2)
  const insiders = new Set(['beta', 'internal'])
  const closure = (index: number) => {
    const salt = prepareSalt(saltOf(index))
    const at = index * 2
    return (user: TaskUser): string => {
      if (insiders.has(user.plan) || user.country === 'NL' || bucketOf(saltedHash(salt, user.id)) < weight * 1000) {
        counters[at + 1] = (counters[at + 1] as number) + 1
        return 'canary'
      }
      counters[at] = (counters[at] as number) + 1
      return 'stable'
    }
  }
  const byKey = new Map(rolloutKeys(count).map((key, i) => [key, closure(i)]))
  return (user, key) => byKey.get(key)?.(user) ?? 'stable'
}

/** What an SDK does at least, as it knows its rules from data: a Map look-up, a loop over clauses of Sets, the hash, a counter. */
export function byClauses(count: number): (user: TaskUser, key: string) => string {
  const clauses = [
    { attribute: 'plan', values: new Set(['beta', 'internal']) },
    { attribute: 'country', values: new Set(['NL']) },
  ] as const
  const byKey = new Map(
    rolloutKeys(count).map((key, i) => [
      key,
      { clauses: clauses.map((clause) => ({ ...clause })), salt: prepareSalt(saltOf(i)), counts: new Float64Array(2) },
    ]),
  )
  return (user, key) => {
    const rollout = byKey.get(key)
    if (rollout === undefined) return 'stable'
    let canary = false
    for (const { attribute, values } of rollout.clauses) canary ||= values.has(user[attribute])
    canary ||= bucketOf(saltedHash(rollout.salt, user.id)) < weight * 1000
    const at = canary ? 1 : 0
    rollout.counts[at] = (rollout.counts[at] as number) + 1
    return canary ? 'canary' : 'stable'
  }
}
