/**
 * What a process holds: loaded before a server (`--import`), which then writes a line of JSON to the file of `PROBE_FILE` at each SIGUSR2; and
 * imported by the clients, which send theirs.
 */
import { appendFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** After a collection of garbage, where bytes are asked for. */
export interface Held {
  readonly rss: number
  /** Heap and what its buffers hold. */
  readonly heap: number
  readonly timers: number
  /** What Node says keeps the process alive, by kind: sockets, files. */
  readonly resources: { readonly [kind: string]: number }
  /** CPU seconds since the start. */
  readonly cpu: number
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const timers = new Set<unknown>()
const { setTimeout: setReal, clearTimeout: clearReal } = globalThis

// Node does not list timers that let the process end, which all of ours do.
globalThis.setTimeout = Object.assign(
  (run: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => {
    const timer = setReal(() => {
      timers.delete(timer)
      run(...args)
    }, delayMs)
    timers.add(timer)
    return timer
  },
  { __promisify__: setReal.__promisify__ },
) as typeof setTimeout
globalThis.clearTimeout = (timer) => {
  timers.delete(timer)
  clearReal(timer)
}

export function held(): Held {
  // What the first lets go of may hold more.
  collect()
  collect()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const resources: { [kind: string]: number } = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const { user, system } = process.cpuUsage()
  return { rss, heap: heapUsed + arrayBuffers, timers: timers.size, resources, cpu: (user + system) / 1e6 }
}

const file = process.env.PROBE_FILE
if (file !== undefined) process.on('SIGUSR2', () => appendFileSync(file, `${JSON.stringify(held())}\n`))
