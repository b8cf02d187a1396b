/** What the benchmarks on sockets share: processes of servers and clients, and how their memory and times are read. */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'

const processes = 2

/** The next message of a process; rejects when it ends instead. */
export function heard<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the benchmark ended with code ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message as T)
    })
  })
}

const start = (file: string, args: readonly string[] = []): ChildProcess =>
  fork(new URL(file, import.meta.url), [...args], { execArgv: ['--conditions=source'] })

export interface BareServer {
  readonly url: string
  readonly pid: number
  /** Sends a text to everybody; when it began, and what the loop of sends cost. */
  broadcast(text: string): Promise<{ readonly began: number; readonly cpuMs: number }>
  /** How many answered the last one, and when the last of them. */
  answers(): Promise<{ readonly answers: number; readonly answeredAt: number }>
  stop(): void
}

export async function startBareServer(): Promise<BareServer> {
  const child = start('./bare-server.ts')
  const { port } = await heard<{ port: number }>(child)
  const asked = <T>(message: object): Promise<T> => {
    const answer = heard<T>(child)
    child.send(message)
    return answer
  }
  return {
    url: `ws://127.0.0.1:${port}/`,
    pid: child.pid as number,
    broadcast: (text) => asked({ broadcast: text }),
    answers: () => asked({}),
    stop: () => child.kill('SIGKILL'),
  }
}

export interface Clients {
  /** From the start of the first to the last being served. */
  readonly joinMs: number
  /** What happened to them since the last call. */
  told(): Promise<Told>
  stop(): Promise<void>
}

export interface Told {
  /** When a change came. Of SDKs also its version, to whom, and when the socket of that one had opened; 0 without one. */
  readonly times: readonly {
    readonly at: number
    readonly openedAt: number
    readonly version: number
    readonly client: string
  }[]
  /** When an SDK's socket opened. */
  readonly opened: readonly number[]
}

export interface ClientsOptions {
  readonly mode: 'sdk' | 'bare' | 'answering'
  readonly url: string
  readonly key?: string
  /** What a bare client greets with; it is served when that is answered, else when it is open. */
  readonly greeting?: string
}

export async function startClients(
  count: number,
  { mode, url, key = 'none', greeting }: ClientsOptions,
): Promise<Clients> {
  const args = [mode, url, key, String(count / processes), ...(greeting === undefined ? [] : [greeting])]
  const children = Array.from({ length: processes }, () => start('./many-clients.ts', args))
  const joined = await Promise.all(children.map((child) => heard<{ began: number; ended: number }>(child)))
  return {
    joinMs: Math.max(...joined.map(({ ended }) => ended)) - Math.min(...joined.map(({ began }) => began)),
    async told() {
      const answers = Promise.all(children.map((child) => heard<Told>(child)))
      for (const child of children) child.send('tell')
      const told = await answers
      return { times: told.flatMap(({ times }) => times), opened: told.flatMap(({ opened }) => opened) }
    },
    async stop() {
      const running = children.filter(({ exitCode }) => exitCode === null)
      const ended = running.map((child) => new Promise((resolve) => child.once('exit', resolve)))
      for (const child of running) child.disconnect()
      await Promise.all(ended)
    },
  }
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function percentile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Resident memory of a process in kB. */
export function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
