/**
 * Random rulesets, users and requests. Names come from small pools, so that rules match often. What a rule is made of is listed by field:
 * a feature of the ruleset is one arbitrary more, and its place in `model.ts`.
 */
import type { DecideContext, DecideEnvironment, User } from '@pipit/shared/decide'
import { prepareHash64 } from '@pipit/shared/hash'
import {
  type Condition,
  memberListOf,
  phases,
  type Ruleset,
  type RulesetCohort,
  type RulesetRollout,
} from '@pipit/shared/rules'
import fc from 'fast-check'
import { numbers, plain, some, tags, texts } from './fuzz-conditions.ts'
import { cohortKeys, headerValue, rules, share } from './fuzz-rules.ts'

export interface FuzzCase {
  readonly ruleset: Ruleset
  /** Ids of the listed members of each cohort, of which the ruleset has the hashes. */
  readonly members: { readonly [cohort: string]: readonly string[] }
  readonly user: User | undefined
  readonly context: DecideContext | undefined
  /** Wall time in epoch milliseconds. */
  readonly now: number
  /** What a request is dealt out by, 0 to 2³² − 1, where there is such a thing. */
  readonly drawn: number | undefined
  /** A weight to raise a rollout to, where it is higher. */
  readonly raised: number
}

/** In this order: a rollout builds on earlier ones. */
export const rolloutKeys = ['first', 'second', 'third'] as const
const unitSalts = ['unit-salt-000000', 'sält', '']

const ids = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('u1', 'u2', 'Zoë', '12', 'a b', 'constructor', '__proto__') },
  { weight: 3, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)
const salts = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({ unit: fc.constantFrom(...'abcdefABCDEF0123456789_-'), minLength: 16, maxLength: 16 }),
  },
  fc.constantFrom('', 'odd', 'sälz'),
)

const variants = fc.constantFrom<RulesetRollout['variants']>(
  [{ name: 'stable' }, { name: 'canary' }],
  [{ name: 'stable' }, { name: 'canary', payload: { color: 'blue' } }, { name: 'bold', share: 2 }],
  [{ name: 'stable' }, { name: 'canary', share: 0 }, { name: 'bold' }, { name: 'third', share: 0.5 }],
)

/** A rollout that may build on those before it. */
const rollout = (before: readonly string[]): fc.Arbitrary<RulesetRollout> =>
  fc
    .record(
      {
        phase: fc.oneof({ weight: 6, arbitrary: fc.constant('running' as const) }, fc.constantFrom(...phases)),
        salt: salts,
        hash: fc.constant(1 as const),
        epoch: fc.integer({ min: 1, max: 9 }),
        weight: share,
        variants,
        rules,
        cohorts: fc.subarray([...cohortKeys, 'missing', 'toString'], { maxLength: 2 }),
        overrides: fc.dictionary(
          fc.constantFrom('u1', 'u2', '12', 'constructor', '__proto__'),
          fc.constantFrom('canary', 'stable', 'bold'),
        ),
        unit: fc.constantFrom<(string | readonly string[])[]>(
          'id',
          'account',
          'app.level',
          ['account', 'id'],
          ['app.level'],
        ),
        winner: fc.constantFrom('canary', 'bold', 'stable'),
        deal: fc.constantFrom<NonNullable<RulesetRollout['deal']>[]>(
          [],
          [
            ['canary', 30_000],
            ['bold', 60_000],
            ['canary', 100_000],
          ],
        ),
        prerequisites: fc.array(
          fc.record(
            {
              rollout: fc.constantFrom(...before, 'missing', 'constructor'),
              variant: fc.constantFrom('canary', 'stable', 'bold'),
            },
            { requiredKeys: ['rollout'] },
          ),
          { maxLength: before.length === 0 ? 0 : 2 },
        ),
        layer: fc
          .tuple(fc.constantFrom('page', 'läyer'), share, share)
          .map(([name, a, b]) => ({ name, from: Math.min(a, b), to: Math.max(a, b) })),
        assign: fc.constant('request' as const),
      },
      { requiredKeys: ['phase', 'salt', 'hash', 'epoch', 'weight', 'variants'] },
    )
    .map((whole) => {
      const { assign, layer, prerequisites, deal, unit, ...rest } = whole
      // These come seldom, so that most decisions get as far as the rules and the split.
      const rare = (whole.epoch * 7 + rest.salt.length) % 4
      return {
        ...rest,
        ...(assign !== undefined && rare === 0 && whole.epoch % 2 === 0 ? { assign } : {}),
        ...(layer !== undefined && rare === 1 ? { layer } : {}),
        ...(prerequisites !== undefined && rare <= 1 ? { prerequisites } : {}),
        ...(deal !== undefined && rare >= 2 ? { deal } : {}),
        ...(unit !== undefined && rare === 3 ? { unit } : {}),
      }
    })

const cohorts = fc.record(
  {
    insiders: fc.record({ when: plain }),
    listed: fc.record({ ids: fc.array(ids, { maxLength: 4 }) }),
    both: fc.record({ when: plain, ids: fc.array(ids, { maxLength: 4 }) }),
  },
  some,
)

const typedUser = fc.record(
  {
    id: ids,
    plan: texts,
    country: texts,
    age: numbers,
    tags: fc.uniqueArray(tags),
    app: fc.record({ level: numbers }),
    account: fc.oneof(ids, fc.integer({ min: 0, max: 50 })),
    anonymousId: ids,
    junk: fc.anything({
      maxDepth: 2,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withTypedArray: true,
    }),
  },
  some,
)
/** Reading its country fails. */
const trap = (user: object): User =>
  Object.defineProperty({ ...user }, 'country', {
    enumerable: true,
    get() {
      throw new Error('a getter that throws')
    },
  })
const users: fc.Arbitrary<User | undefined> = fc.oneof(
  { weight: 20, arbitrary: typedUser.map((user): User => user as User) },
  { weight: 3, arbitrary: ids },
  { weight: 1, arbitrary: typedUser.map(trap) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, null, 7, true, [], ['id']).map((value) => value as unknown as User),
  },
)

/** What a caller without types may give. */
const junk = fc.constantFrom(null, 7, [], 'text').map((value) => value as never)
const contexts: fc.Arbitrary<DecideContext> = fc.record(
  {
    headers: fc.oneof(
      fc.dictionary(
        fc.constantFrom('x-canary', 'accept'),
        fc.oneof(headerValue, fc.array(headerValue, { maxLength: 2 })),
      ),
      fc.dictionary(fc.constantFrom('X-CANARY', 'Accept'), headerValue),
      headerValue.map((value) => ({ get: (name: string): string | null => (name === 'x-canary' ? value : null) })),
      junk,
    ),
    cookies: fc.oneof({ weight: 5, arbitrary: fc.dictionary(fc.constantFrom('beta', 'other'), headerValue) }, junk),
  },
  some,
)

/** What the case gives to rules besides the user and the request. */
export const environmentOf = ({ now, drawn }: FuzzCase): DecideEnvironment => ({
  now: () => now,
  ...(drawn === undefined ? {} : { random: () => drawn / 4_294_967_296 }),
})

export const fuzzCase: fc.Arbitrary<FuzzCase> = fc
  .record({
    unitSalt: fc.constantFrom(...unitSalts),
    holdback: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, share),
    first: rollout([]),
    second: fc.option(rollout(['first']), { nil: undefined }),
    third: fc.option(rollout(['first', 'second']), { nil: undefined, freq: 2 }),
    cohorts,
    user: users,
    context: fc.option(contexts, { nil: undefined }),
    now: fc.integer({ min: 1_700_000_000, max: 1_800_000_000 }).map((seconds) => seconds * 1000),
    drawn: fc.option(fc.integer({ min: 0, max: 0xffffffff }), { nil: undefined }),
    raised: share,
  })
  .map(({ unitSalt, holdback, first, second, third, cohorts, user, context, now, drawn, raised }) => {
    const salt = prepareHash64(unitSalt)
    const lists = Object.entries(cohorts as { [key: string]: { when?: Condition; ids?: readonly string[] } })
    const made = lists.map(([key, { when, ids: listed }]): [string, RulesetCohort] => [
      key,
      {
        ...(when === undefined ? {} : { when }),
        ...(listed === undefined ? {} : { members: memberListOf(listed, salt) }),
      },
    ])
    return {
      ruleset: {
        version: 3,
        environment: 'production',
        unitSalt,
        ...(holdback === undefined ? {} : { holdback }),
        rollouts: { first, ...(second === undefined ? {} : { second }), ...(third === undefined ? {} : { third }) },
        cohorts: Object.fromEntries(made),
      },
      members: Object.fromEntries(lists.map(([key, { ids: listed = [] }]) => [key, listed])),
      user,
      context,
      now,
      drawn,
      raised,
    }
  })
