/**
 * `node decide-variant.ts <count>`: `sdk.variant(user, key)` beside a hand-written closure at a number of rollouts. In a process of its own,
 * as an application has one client, with a loop for each, so that the compiler sees one callee in each. Prints one line of JSON.
 */
import { benchClient } from './bench-client.ts'
import { byClauses, handWritten, rolloutKeys, type TaskUser, taskRuleset, users } from './decision-task.ts'
import { sideBySide } from './side-by-side.ts'

/** Nanoseconds: one rollout all the time, and all in turn. */
export interface VariantTimes {
  readonly ours: readonly [number, number]
  readonly floor: readonly [number, number]
  readonly clauses: readonly [number, number]
}

const count = Number(process.argv[2] ?? 1)
const all = rolloutKeys(count)
const middle = [all[Math.floor(count / 2)] as string]
const sdk = benchClient(taskRuleset(count))
const written = handWritten(count)
const looped = byClauses(count)

function ours(keys: readonly string[]): number {
  let canaries = 0
  for (let i = 0; i < users.length; i++)
    if (sdk.variant(users[i], keys[i % keys.length] as string) === 'canary') canaries++
  return canaries
}

function floor(keys: readonly string[]): number {
  let canaries = 0
  for (let i = 0; i < users.length; i++)
    if (written(users[i] as TaskUser, keys[i % keys.length] as string) === 'canary') canaries++
  return canaries
}

function clauses(keys: readonly string[]): number {
  let canaries = 0
  for (let i = 0; i < users.length; i++)
    if (looped(users[i] as TaskUser, keys[i % keys.length] as string) === 'canary') canaries++
  return canaries
}

// The same salts and the same hash: the same people.
for (const keys of [middle, all])
  if (ours(keys) !== floor(keys) || ours(keys) !== clauses(keys))
    throw new Error('what is written by hand does not do what sdk.variant does')

const [oursOne, oursTurn, floorOne, floorTurn, clausesOne, clausesTurn] = sideBySide(
  [
    { name: 'ours, one', run: () => ours(middle) },
    { name: 'ours, in turn', run: () => ours(all) },
    { name: 'floor, one', run: () => floor(middle) },
    { name: 'floor, in turn', run: () => floor(all) },
    { name: 'clauses, one', run: () => clauses(middle) },
    { name: 'clauses, in turn', run: () => clauses(all) },
  ],
  users.length,
  31,
  3,
).map((timing) => timing.nanoseconds) as [number, number, number, number, number, number]
const times: VariantTimes = {
  ours: [oursOne, oursTurn],
  floor: [floorOne, floorTurn],
  clauses: [clausesOne, clausesTurn],
}
console.log(JSON.stringify(times))
process.exit(0)
