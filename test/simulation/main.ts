/**
 * Simulated rollouts through the real evidence fold, judge and rollout machine, on a fake clock, looked at every 5 s.
 *
 *     npm run simulate -- [--runs 500] [--seed 1]
 *
 * Exits 1 when a bar is missed: at most 1.5 % of harmless rollouts reverted; at least 99 % of doubled error rates found, the median
 * within 1.3 times the published 1360 canary requests.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { RunResult } from './run-rollout.ts'
import { type Summary, summarise } from './summary.ts'
import type { worlds } from './worlds.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '500' }, seed: { type: 'string', default: '1' } },
})
const runs = Number(values.runs)
const seed = Number(values.seed)
const publishedMedian = 1360

async function simulate(world: keyof typeof worlds): Promise<Summary> {
  const of = Math.min(availableParallelism(), runs)
  const results: RunResult[] = []
  const workers = Array.from({ length: of }, (_, part) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { world, seed, runs, part, of } })
    worker.on('message', (result: RunResult) => results.push(result))
    return new Promise<void>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker stopped with code ${code}`))))
    })
  })
  await Promise.all(workers)
  return summarise(results)
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`

function row(name: string, summary: Summary): string {
  return [
    name.padEnd(16),
    percent(summary.reverted, summary.runs).padStart(9),
    percent(summary.succeeded, summary.runs).padStart(10),
    String(summary.medianCanaryRequests).padStart(9),
    String(summary.p90CanaryRequests).padStart(9),
    `${summary.medianSeconds} s`.padStart(9),
    String(summary.wavedThrough).padStart(8),
  ].join(' ')
}

console.log(
  `${runs} rollouts each, seeds ${seed} to ${seed + runs - 1}; 400 requests/s, 1 % errors, ramp 1-5-25-50 %, a look every 5 s`,
)
console.log('scenario          reverted  completed  median n     p90 n  median t   waved')
const harmless = await simulate('harmless')
console.log(row('harmless', harmless))
const doubled = await simulate('doubledErrors')
console.log(row('errors doubled', doubled))
const slower = await simulate('slower')
console.log(row('p50..p99 +50 %', slower))
const sellsLess = await simulate('sellsLess')
console.log(row('sells 30 % less', sellsLess))
console.log('n: canary requests until the end; waved: stages that stayed undecided and were waved through by a person')

const ratio = doubled.medianCanaryRequests / publishedMedian
const misses = [
  ...(harmless.reverted / runs > 0.015
    ? [`${percent(harmless.reverted, runs)} of harmless rollouts were reverted, more than 1.5 %`]
    : []),
  ...(doubled.reverted / runs < 0.99
    ? [`only ${percent(doubled.reverted, runs)} of doubled error rates were found`]
    : []),
  ...(ratio > 1.3 ? [`the median is ${ratio.toFixed(2)} times the published one`] : []),
]
console.log(`doubled errors: median ${ratio.toFixed(2)} times the published ${publishedMedian}`)
for (const miss of misses) console.log(`MISSED: ${miss}`)
process.exitCode = misses.length === 0 ? 0 : 1
