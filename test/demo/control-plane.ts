import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Judgement } from '@pipit/server/analysis'

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

export interface Secrets {
  readonly adminToken: string
  readonly serverKey: string
}

/** The control plane as its own process, which can be killed and started again on the same port and database. */
export interface ControlPlane {
  readonly url: string
  start(): Promise<void>
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  call<T>(method: string, path: string, body?: unknown, type?: string): Promise<T>
}

const mainFile = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))

export function controlPlane(port: number, database: string, secrets: Secrets): ControlPlane {
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined

  async function untilReady(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (child === undefined || child.exitCode !== null) throw new Error('the control plane stopped while starting')
      const answer = await fetch(`${url}/readyz`).catch(() => undefined)
      if (answer?.status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`the control plane did not become ready at ${url}`)
  }

  return {
    url,
    async start() {
      child = spawn(process.execPath, [mainFile, 'serve'], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: {
          ...process.env,
          PIPIT_PORT: String(port),
          PIPIT_DATABASE_URL: `sqlite:${database}`,
          PIPIT_ADMIN_TOKEN: secrets.adminToken,
          PIPIT_SERVER_KEY: secrets.serverKey,
          PIPIT_LOG: 'warn',
        },
      })
      await untilReady()
    },
    kill(signal) {
      const running = child
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return Promise.resolve()
      return new Promise((resolve) => {
        running.once('exit', () => resolve())
        running.kill(signal)
      })
    },
    async call<T>(method: string, path: string, body?: unknown, type = 'application/json') {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${secrets.adminToken}`,
          ...(body === undefined ? {} : { 'content-type': type }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return JSON.parse(text === '' ? 'null' : text) as T
    },
  }
}

/** What the demo reads of a rollout. */
export interface RolloutView {
  readonly key: string
  readonly phase: string
  readonly stage?: string
  readonly weight: number
  readonly epoch: number
  readonly version: number
}

export interface AnalysisView {
  readonly judgement?: Judgement
}
