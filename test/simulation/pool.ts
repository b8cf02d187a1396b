import { Worker } from 'node:worker_threads'
import type { Outcome } from './simulate.ts'
import type { Task } from './worker.ts'

/** Worker threads that run seeds of scenarios. */
export interface Pool {
  /** Outcomes of the seeds, in their order whatever the threads do. */
  run(scenario: string, seeds: readonly number[]): Promise<readonly Outcome[]>
  close(): Promise<void>
}

const seedsPerTask = 5

export function createPool(threads: number): Pool {
  const workers = Array.from({ length: threads }, () => new Worker(new URL('./worker.ts', import.meta.url)))

  const ask = (worker: Worker, task: Task): Promise<readonly Outcome[]> =>
    new Promise((resolve, reject) => {
      const done = (outcomes: readonly Outcome[]): void => {
        worker.off('error', reject)
        resolve(outcomes)
      }
      worker.once('message', done)
      worker.once('error', reject)
      worker.postMessage(task)
    })

  return {
    async run(scenario, seeds) {
      const tasks: Task[] = []
      for (let i = 0; i < seeds.length; i += seedsPerTask)
        tasks.push({ scenario, seeds: seeds.slice(i, i + seedsPerTask) })
      const results: (readonly Outcome[])[] = []
      let next = 0
      const drain = async (worker: Worker): Promise<void> => {
        for (let i = next++; i < tasks.length; i = next++) results[i] = await ask(worker, tasks[i] as Task)
      }
      await Promise.all(workers.map(drain))
      return results.flat()
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}
