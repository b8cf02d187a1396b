/** `node one.ts <peer> <count>`: one peer beside ours at a number of rollouts, in a process of their own. Prints one line of JSON. */
import { createClient, type Ruleset } from '@pipit/sdk-node'
import { handWritten, rolloutKeys, type TaskUser, taskRuleset, users } from '../decision-task.ts'
import { sideBySideAwaited } from '../side-by-side.ts'
import { checkAnswers } from './check-answers.ts'
import { peers } from './sdks/index.ts'

/** What a run found, for the table. */
export interface Measured {
  readonly wrong: string | undefined
  readonly share: number
  /** Nanoseconds: one rollout all the time, and all in turn. */
  readonly ours: readonly [number, number]
  readonly floor: readonly [number, number]
  readonly peer: readonly [number, number]
}

const [name = '', countText = '1'] = process.argv.slice(2)
const peer = peers[name]
if (peer === undefined) throw new Error(`there is no peer "${name}"; there are ${Object.keys(peers).join(', ')}`)
const count = Number(countText)
const keys = rolloutKeys(count)
const middle = [keys[Math.floor(count / 2)] as string]

const ready = await peer.prepare(keys, users)
// As an application reads it from a file.
const bootstrap: Ruleset = JSON.parse(JSON.stringify(taskRuleset(count)))
const sdk = createClient({
  // Nobody listens there: the decisions are made from the bootstrap.
  url: 'http://127.0.0.1:1',
  key: 'srv_bench',
  bootstrap,
  logger: { warn() {} },
  cacheDir: false,
})
const written = handWritten(count)

// A loop for each, so that the compiler sees one callee in each, as in a program that uses one of them.
function ours(of: readonly string[]): number {
  let canaries = 0
  for (let at = 0; at < users.length; at++)
    if (sdk.variant(users[at], of[at % of.length] as string) === 'canary') canaries++
  return canaries
}

function floor(of: readonly string[]): number {
  let canaries = 0
  for (let at = 0; at < users.length; at++)
    if (written(users[at] as TaskUser, of[at % of.length] as string) === 'canary') canaries++
  return canaries
}

const { ask, canary } = ready

function theirsAtOnce(of: readonly string[]): number {
  let canaries = 0
  for (let at = 0; at < users.length; at++) if (ask(of[at % of.length] as string, at) === canary) canaries++
  return canaries
}

async function theirsAwaited(of: readonly string[]): Promise<number> {
  let canaries = 0
  for (let at = 0; at < users.length; at++) if ((await ask(of[at % of.length] as string, at)) === canary) canaries++
  return canaries
}

const theirs = peer.awaited ? theirsAwaited : theirsAtOnce
const [oursOne, oursTurn, floorOne, floorTurn, peerOne, peerTurn] = (
  await sideBySideAwaited(
    [
      { name: 'ours, one', run: () => ours(middle) },
      { name: 'ours, in turn', run: () => ours(keys) },
      { name: 'hand-written, one', run: () => floor(middle) },
      { name: 'hand-written, in turn', run: () => floor(keys) },
      { name: 'peer, one', run: () => theirs(middle) },
      { name: 'peer, in turn', run: () => theirs(keys) },
    ],
    users.length,
    9,
    3,
  )
).map((timing) => timing.best) as [number, number, number, number, number, number]

// Afterwards: what is measured has not seen more people than the task has.
const some = keys.filter((_, i) => i % Math.ceil(count / 20) === 0)
const answers = await checkAnswers(async (key, at) => (await ready.ask(key, at)) === ready.canary, some, users)
const own = await checkAnswers(async (key, at) => sdk.variant(users[at], key) === 'canary', some, users)
const least = await checkAnswers(async (key, at) => written(users[at] as TaskUser, key) === 'canary', some, users)

const measured: Measured = {
  wrong: answers.wrong ?? (own.wrong && `ours: ${own.wrong}`) ?? (least.wrong && `hand-written: ${least.wrong}`),
  share: answers.share,
  ours: [oursOne, oursTurn],
  floor: [floorOne, floorTurn],
  peer: [peerOne, peerTurn],
}
console.log(JSON.stringify(measured))
await ready.close()
// What waits for a server that is not there would keep the process.
process.exit(0)
