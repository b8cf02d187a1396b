import { parentPort, workerData } from 'node:worker_threads'
import { ramp, runRollout } from './run-rollout.ts'
import { worlds } from './worlds.ts'

/** Runs every `of`-th seed of a world and hands the results to the main thread. */
const { world, seed, runs, part, of } = workerData as {
  world: keyof typeof worlds
  seed: number
  runs: number
  part: number
  of: number
}
const definition = ramp()
for (let i = part; i < runs; i += of) parentPort?.postMessage(runRollout(worlds[world], definition, seed + i))
