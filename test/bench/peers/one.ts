/** `node one.ts <peer> <count>`: one peer beside ours at a number of rollouts, in a process of their own. Prints one line of JSON. */
import { createClient } from '@pipit/sdk-node'
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
const middle = keys[Math.floor(count / 2)] as string

const ready = await peer.prepare(keys, users)
const silent = { warn() {} }
// Nobody listens on port 1: the decisions are made from the bootstrap.
const sdk = createClient({
  url: 'http://127.0.0.1:1',
  key: 'srv_bench',
  bootstrap: taskRuleset(count),
  logger: silent,
  cacheDir: false,
})
const written = handWritten(count)

const some = keys.filter((_, i) => i % Math.ceil(count / 20) === 0)
const theirs = await checkAnswers(async (key, at) => (await ready.ask(key, at)) === ready.canary, some, users)
const own = await checkAnswers(async (key, at) => sdk.variant(users[at], key) === 'canary', some, users)
const least = await checkAnswers(async (key, at) => written(users[at] as TaskUser, key) === 'canary', some, users)

const each = (canary: (at: number) => boolean) => () => {
  let sum = 0
  for (let at = 0; at < users.length; at++) if (canary(at)) sum++
  return sum
}
const eachAwaited = (ask: (at: number) => unknown) => async () => {
  let sum = 0
  for (let at = 0; at < users.length; at++) if ((await ask(at)) === ready.canary) sum++
  return sum
}
const inTurn = (at: number): string => keys[at % count] as string
const ofPeer = (ask: (at: number) => unknown) =>
  peer.awaited ? eachAwaited(ask) : each((at) => ask(at) === ready.canary)

const [oursFixed, oursTurn, floorFixed, floorTurn, peerFixed, peerTurn] = (
  await sideBySideAwaited(
    [
      { name: 'ours, one', run: each((at) => sdk.variant(users[at], middle) === 'canary') },
      { name: 'ours, in turn', run: each((at) => sdk.variant(users[at], inTurn(at)) === 'canary') },
      { name: 'hand-written, one', run: each((at) => written(users[at] as TaskUser, middle) === 'canary') },
      { name: 'hand-written, in turn', run: each((at) => written(users[at] as TaskUser, inTurn(at)) === 'canary') },
      { name: 'peer, one', run: ofPeer((at) => ready.ask(middle, at)) },
      { name: 'peer, in turn', run: ofPeer((at) => ready.ask(inTurn(at), at)) },
    ],
    users.length,
  )
).map((timing) => timing.nanoseconds) as [number, number, number, number, number, number]

const measured: Measured = {
  wrong: theirs.wrong ?? (own.wrong && `ours: ${own.wrong}`) ?? (least.wrong && `hand-written: ${least.wrong}`),
  share: theirs.share,
  ours: [oursFixed, oursTurn],
  floor: [floorFixed, floorTurn],
  peer: [peerFixed, peerTurn],
}
console.log(JSON.stringify(measured))
await ready.close()
// What waits for a server that is not there would keep the process.
process.exit(0)
