/**
 * `npm run bench -- allocation`: bytes that `sdk.variant()` allocates, over ten million calls for users whose exposure is known. The heap's
 * size is read around pieces of a million calls, between which garbage is collected, and within which it must not be: so the growth of a
 * piece is what it allocated: by the calls, and some kilobytes by the reading and by the compiler. The method is held against functions
 * that are known to allocate 16 bytes, and nothing.
 */
import { getHeapStatistics } from 'node:v8'
import type { RulesetRollout } from '@pipit/shared/rules'
import { createFakeClock } from '@pipit/shared/testing'
import { benchClient } from './bench-client.ts'
import { rolloutKeys, taskRuleset, users } from './decision-task.ts'
import type { Row } from './row.ts'

// The collector is a flag of the process.
if (globalThis.gc === undefined) throw new Error('run it by `npm run bench -- allocation`, which gives it the flags')
const collect = globalThis.gc

const calls = 10_000_000
const piece = 1_000_000
/** Bytes a call that cannot be told from none. */
const resolution = 0.05

/** Bytes a call, and how many pieces had to be thrown away because garbage was collected in them. */
function bytesPerCall(run: (from: number, to: number) => void): { readonly bytes: number; readonly spoilt: number } {
  // Compiled, and everything seen.
  for (let round = 0; round < 10; round++) run(0, piece)
  let bytes = 0
  let counted = 0
  let spoilt = 0
  for (let from = 0; counted < calls; from += piece) {
    collect()
    const before = getHeapStatistics().used_heap_size
    run(from, from + piece)
    const grown = getHeapStatistics().used_heap_size - before
    if (grown < 0) spoilt++
    else {
      bytes += grown
      counted += piece
    }
    if (spoilt > 100) throw new Error('garbage is collected all the time: nothing can be measured')
  }
  return { bytes: bytes / counted, spoilt }
}

const boxes: unknown[] = ['not only numbers', 0]
const flat = new Float64Array(2)
// Functions, as what they are held against is one: a loop that is begun anew allocates until it is compiled again.
const keepBoxed = (i: number): void => {
  boxes[1] = i + 0.5
}
const keepFlat = (i: number): void => {
  flat[i & 1] = i + 0.5
}
const sdk = benchClient(taskRuleset(100))
const keys = rolloutKeys(100)
const options = keys.map((rollout) => ({ rollout }))
const texts = users.map((user) => user.id)
const named = users.map((user, i) => ({ ...user, id: `Zoë Иванова ${i}` }))
/** Everything that a decision may look at but headers. */
const task = taskRuleset(2)
const [base, full] = Object.values(task.rollouts) as [RulesetRollout, RulesetRollout]
const everything = benchClient({
  ...task,
  holdback: 5,
  rollouts: {
    base,
    full: {
      ...full,
      weight: 50,
      variants: [{ name: 'stable' }, { name: 'canary' }, { name: 'bold', share: 2 }],
      prerequisites: [{ rollout: 'base', variant: 'stable' }],
      layer: { name: 'page', from: 0, to: 80 },
      cohorts: ['insiders'],
      overrides: { tester: 'canary' },
      rules: [...(full.rules ?? []), { name: 'half', when: { plan: 'pro' }, serve: { canary: 50, stable: 50 } }],
    },
  },
})
const nights = [{ name: 'nights', time: { zone: 'UTC', from: '22:00', to: '06:00' }, serve: 'stable' }]
const clock = { ...createFakeClock(), now: () => Date.now() }
const timed = benchClient({ ...task, rollouts: { timed: { ...base, rules: nights } } }, clock)
let canaries = 0

const measured: readonly (readonly [name: string, expected: number, run: (from: number, to: number) => void])[] = [
  [
    'control: a number in a typed array',
    0,
    (from, to) => {
      for (let i = from; i < to; i++) keepFlat(i)
    },
  ],
  [
    'control: a number in a box of 16 bytes',
    16,
    (from, to) => {
      for (let i = from; i < to; i++) keepBoxed(i)
    },
  ],
  [
    'sdk.variant(user, key), one of 100',
    0,
    (from, to) => {
      for (let i = from; i < to; i++) if (sdk.variant(users[i % 10_000], 'rollout-50') === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(user, key), 100 in turn',
    0,
    (from, to) => {
      for (let i = from; i < to; i++)
        if (sdk.variant(users[i % 10_000], keys[i % 100] as string) === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(user, { rollout }), 100 in turn',
    0,
    (from, to) => {
      for (let i = from; i < to; i++)
        if (sdk.variant(users[i % 10_000], options[i % 100] as { rollout: string }) === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(user, key), ids that are not ASCII',
    0,
    (from, to) => {
      for (let i = from; i < to; i++) if (sdk.variant(named[i % 10_000], 'rollout-50') === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(user, key), everything at once',
    0,
    (from, to) => {
      for (let i = from; i < to; i++) if (everything.variant(users[i % 10_000], 'full') === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(id as text, { rollout })',
    0,
    (from, to) => {
      for (let i = from; i < to; i++)
        if (sdk.variant(texts[i % 10_000] as string, options[i % 100] as { rollout: string }) === 'canary') canaries++
    },
  ],
  [
    // The number of the system's clock.
    'sdk.variant(user, key), a rule on the hour',
    16,
    (from, to) => {
      for (let i = from; i < to; i++) if (timed.variant(users[i % 10_000], 'timed') === 'canary') canaries++
    },
  ],
  [
    'sdk.variant(id as text, key), 100 in turn',
    0,
    (from, to) => {
      for (let i = from; i < to; i++)
        if (sdk.variant(texts[i % 10_000], keys[i % 100] as string) === 'canary') canaries++
    },
  ],
]

console.log(`bytes a call over ${calls.toLocaleString('en')} calls (resolution ${resolution})`)
const found: Row[] = []
for (const [name, expected, run] of measured) {
  const { bytes, spoilt } = bytesPerCall(run)
  const met = Math.abs(bytes - expected) <= resolution
  if (!name.startsWith('control'))
    found.push({ claim: `bytes allocated by ${name}`, ours: bytes.toFixed(3), bar: `${expected} ± ${resolution}`, met })
  const note = spoilt > 0 ? `, ${spoilt} pieces measured again` : ''
  console.log(`  ${name.padEnd(46)} ${bytes.toFixed(3).padStart(8)}  (${expected}: ${met ? 'met' : 'MISSED'}${note})`)
}
if (canaries === 0) throw new Error('nobody got the canary')

export const rows = (): Promise<readonly Row[]> => Promise.resolve(found)
