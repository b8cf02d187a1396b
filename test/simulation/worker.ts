import { parentPort } from 'node:worker_threads'
import { scenarios } from './scenarios.ts'
import { simulate } from './simulate.ts'

/** Seeds of a scenario, by name. */
export interface Task {
  readonly scenario: string
  readonly seeds: readonly number[]
}

/** Runs what it is sent and hands the outcomes back. */
parentPort?.on('message', ({ scenario, seeds }: Task) => {
  const found = scenarios[scenario]
  if (found === undefined) throw new Error(`there is no scenario "${scenario}"`)
  parentPort?.postMessage(seeds.map((seed) => simulate(found, seed)))
})
