/**
 * The fuzzing in another runtime, as a bundle. In Node: `node <bundle> <seed> <from> <to>` prints the result of each batch as a line of
 * JSON, or with `decisions` in place of `<to>` the decisions of one. In a browser it is the global `pipitFuzz`.
 */
import { decisionsOf, runBatch } from './batch.ts'

const api = { decisionsOf, runBatch }
export type FuzzApi = typeof api

const { process } = globalThis as { process?: { readonly argv: readonly string[] } }
if (process === undefined) Object.assign(globalThis, { pipitFuzz: api })
else {
  const [seed = 0, from = 0] = process.argv.slice(2, 4).map(Number)
  const to = process.argv[4] ?? '0'
  if (to === 'decisions') console.log(JSON.stringify(decisionsOf(seed, from)))
  else for (let batch = from; batch < Number(to); batch++) console.log(JSON.stringify(runBatch(seed, batch)))
}
