/**
 * The kinds of metric and checks that the ramps of `npm run simulate` do not have, one stage of twenty minutes each.
 *
 *     npm run simulate:kinds -- [--runs 200] [--seed 1]
 *
 * Exits 1 where more than 1.5 % of harmless runs are stopped (or a goal is claimed), or fewer than 90 % of harmful ones are.
 */
import { parseArgs } from 'node:util'
import { harmfulKinds, harmlessKinds } from './kind-worlds.ts'
import { type KindResult, type KindWorld, simulateKind } from './kinds.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const runs = Number(values.runs)
const seed = Number(values.seed)
const isStopped = ({ label, claimed }: KindResult): boolean => label === 'revert' || label === 'pause' || claimed

function row(name: string, world: KindWorld): number {
  const results = Array.from({ length: runs }, (_, i) => simulateKind(world, seed + i))
  const stopped = results.filter(isStopped)
  const ticks = stopped.map((result) => result.ticks).sort((a, b) => a - b)
  const median = ticks[Math.floor(ticks.length / 2)]
  const codes = [...new Set(stopped.flatMap(({ codes: [first = '-'] }) => first))].join(', ')
  const share = (100 * stopped.length) / runs
  console.log(`| ${name} | ${share.toFixed(2)} % | ${median === undefined ? '–' : `${median * 5} s`} | ${codes} |`)
  return share
}

console.log(`${runs} runs each, seeds from ${seed}\n\n| world | stopped | median time | by |\n|---|---|---|---|`)
const misses = [
  ...Object.entries(harmlessKinds).filter(([name, world]) => row(name, world) > 1.5),
  ...Object.entries(harmfulKinds).filter(([name, world]) => row(name, world) < 90),
].map(([name]) => name)
for (const name of misses) console.log(`MISSED ${name}`)
process.exitCode = misses.length === 0 ? 0 : 1
