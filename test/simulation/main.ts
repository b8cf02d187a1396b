/**
 * Simulated rollouts through the real evidence fold, judge and rollout machine, on a fake clock, looked at every 5 s, past the competitors.
 *
 *     npm run simulate -- [--runs 60] [--seed 1] [--only <name or part of names>]... [--kind harmless|harmful|advance|gate|coverage]
 *       [--threads 2] [--full]
 *
 * `--full` is the table of RESULTS.md: 2000 runs of every scenario, 5000 of the intervals (hours on two cores). Exits 1 when a bar of the
 * project is missed, and says which. A single rollout again: `--only <name> --seed <its seed> --runs 1`.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { missesOf } from './bars.ts'
import { createPool } from './pool.ts'
import { heads, line, rowOf } from './report.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { summarise } from './summary.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true, default: [] },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    kind: { type: 'string' },
    full: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed)
const only = values.only.map((part) => part.toLowerCase())
const names = new Set(Object.keys(scenarios).map((name) => name.toLowerCase()))
/** A whole name means that scenario alone, a part of one all that have it. */
const isMeant = (name: string, part: string): boolean => (names.has(part) ? name === part : name.includes(part))
const chosen = Object.entries(scenarios).filter(
  ([name, { kind: own }]) =>
    (only.length === 0 || only.some((part) => isMeant(name.toLowerCase(), part))) &&
    (values.kind === undefined || values.kind === own),
)

function runsOf({ kind }: Scenario): number {
  if (values.runs !== undefined) return Number(values.runs)
  if (values.full) return kind === 'coverage' ? 5000 : 2000
  return 60
}

const pool = createPool(Number(values.threads))
const misses: string[] = []
let kind: Scenario['kind'] | undefined
const began = performance.now()
console.log(
  `Seeds from ${seed}; 400 requests/s of 20 000 users unless said otherwise, 1-5-25-50 % with ten minutes each, a look every 5 s; n: canary requests since the harm began`,
)
for (const [name, scenario] of chosen) {
  if (kind !== scenario.kind) {
    const head = heads[scenario.kind]
    console.log(`\n${line(head)}\n${line(head.map(() => '---'))}`)
  }
  kind = scenario.kind
  const seeds = Array.from({ length: runsOf(scenario) }, (_, i) => seed + i)
  const summary = summarise(await pool.run(name, seeds))
  console.log(line(rowOf(name, scenario, summary)))
  misses.push(...missesOf(scenario, summary).map((miss) => `${name}: ${miss}`))
}
await pool.close()
console.log(`\n${chosen.length} scenarios in ${Math.round((performance.now() - began) / 1000)} s`)
for (const miss of misses) console.log(`MISSED ${miss}`)
process.exitCode = misses.length === 0 && chosen.length > 0 ? 0 : 1
