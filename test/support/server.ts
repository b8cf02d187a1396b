import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A real Pipit process on a free port of this machine, with a database of its own in a temporary folder. */
export interface TestServer {
  readonly url: string
  /** Of the process as it runs now. */
  readonly pid: number
  readonly token: string
  readonly serverKey: string
  readonly webKey: string
  readonly databaseFile: string
  /** Everything the process has written so far. */
  output(): string
  /** Calls the REST API with the admin token; `path` begins after `/api/v1`. */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>
  /** Ends the process (SIGKILL unless told) and returns its exit code; the database stays. */
  kill(signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<number | undefined>
  /** Starts it again on the same database and port. */
  restart(): Promise<void>
  /** Ends the process and removes its folder. */
  stop(): Promise<void>
}

export interface ApiAnswer {
  readonly status: number
  readonly headers: Headers
  /** The parsed JSON, or the text where it is none. */
  readonly body: unknown
}

export interface ServerOptions {
  /** More environment of the process, such as PIPIT_LOG. */
  readonly env?: Readonly<Record<string, string>>
  /** Another command that runs this one, for a process in a world of its own. It has to end up as the same process. */
  readonly wrap?: (command: readonly string[], directory: string) => readonly [program: string, ...args: string[]]
}

export const mainFile = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url))

const secrets = {
  token: 'adm_test_0123456789abcdefghij',
  serverKey: 'srv_test_0123456789abcdefghij',
  webKey: 'web_test_0123456789abcdefghij',
} as const

/** The environment of this process without settings of Pipit. */
export function cleanEnv(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('PIPIT_'))
  return Object.fromEntries(entries) as Record<string, string>
}

/** Starts a server and waits until it is ready. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-test-'))
  const databaseFile = join(directory, 'pipit.db')
  let output = ''
  let url = ''
  let child: ChildProcess

  async function start(port: string): Promise<void> {
    const command = [process.execPath, mainFile, 'serve'] as const
    const [program, ...args] = options.wrap?.(command, directory) ?? command
    child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...cleanEnv(),
        PIPIT_PORT: port,
        PIPIT_DATABASE_URL: `sqlite:${databaseFile}`,
        PIPIT_ADMIN_TOKEN: secrets.token,
        PIPIT_SERVER_KEY: secrets.serverKey,
        PIPIT_WEB_KEY: secrets.webKey,
        ...options.env,
      },
    })
    url = await addressOf(child, (text) => {
      output += text
    })
  }

  const server: TestServer = {
    ...secrets,
    databaseFile,
    get url() {
      return url
    },
    get pid() {
      return child.pid ?? 0
    },
    output: () => output,
    async api(method, path, body, headers = {}) {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${secrets.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      return { status: response.status, headers: response.headers, body: parsed(await response.text()) }
    },
    kill: (signal = 'SIGKILL') => ended(child, signal),
    restart: () => start(new URL(url).port),
    async stop() {
      await ended(child, 'SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
  await start('0')
  return server
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Resolves with the address the process says it listens at. */
function addressOf(child: ChildProcess, heard: (text: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const take = (chunk: Buffer): void => {
      text += chunk.toString()
      heard(chunk.toString())
      const url = /listens at (http:\S+)/.exec(text)?.[1]
      if (url !== undefined) resolve(url)
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server stopped with code ${code} before it listened:\n${text}`)))
  })
}

function ended(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<number | undefined> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode ?? undefined)
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? undefined))
    child.kill(signal)
  })
}
