import type { Issue } from '@pipit/shared/base'
import type { ClientConfig } from '../config.ts'

/** A problem that ends a command: shown to the person, with the exit code that scripts can tell it by. */
export class CommandError extends Error {
  readonly exitCode: number
  readonly errors: readonly Issue[]
  constructor(message: string, exitCode: number, errors: readonly Issue[] = []) {
    super(message)
    this.exitCode = exitCode
    this.errors = errors
  }
}

/** Exit codes of every command. */
export const exitCodes = {
  ok: 0,
  /** The server refused it, or something else went wrong. */
  failed: 1,
  /** Wrong arguments or settings. */
  usage: 2,
  /** A file with faults. */
  invalid: 3,
  /** No server, or one that cannot answer now: worth trying again. */
  unavailable: 4,
} as const

export interface ApiClient {
  /** The answer's JSON. Throws `CommandError` with the server's own words. */
  call(method: string, path: string, body?: unknown): Promise<unknown>
  /** The same, but `undefined` where there is no such thing. */
  find(path: string): Promise<unknown>
}

interface ProblemBody {
  readonly code?: string
  readonly detail?: string
  readonly errors?: readonly Issue[]
}

const timeoutMs = 30_000

/** Talks to the REST API; the commands know nothing else of a server. */
export function createApiClient(config: ClientConfig, environment: string | undefined): ApiClient {
  async function request(method: string, path: string, body: unknown): Promise<Response> {
    const url = new URL(`${config.url}/api/v1${path}`)
    if (environment !== undefined) url.searchParams.set('environment', environment)
    const headers = {
      ...(config.token === undefined ? {} : { authorization: `Bearer ${config.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    try {
      const init = body === undefined ? {} : { body: JSON.stringify(body) }
      return await fetch(url, { method, headers, signal: AbortSignal.timeout(timeoutMs), ...init })
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new CommandError(
        `no answer from ${config.url} (${cause}). Is the server running there? Name another with --url or PIPIT_URL`,
        exitCodes.unavailable,
      )
    }
  }

  async function read(response: Response): Promise<unknown> {
    const text = await response.text()
    if (response.ok && text === '') return undefined
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      throw new CommandError(
        `${config.url} answered ${response.status} with no JSON: is it a Pipit server?`,
        exitCodes.failed,
      )
    }
    if (response.ok) return parsed
    throw refused(response.status, (parsed ?? {}) as ProblemBody)
  }

  return {
    call: async (method, path, body) => await read(await request(method, path, body)),
    async find(path) {
      const response = await request('GET', path, undefined)
      if (response.status !== 404) return await read(response)
      const problem = (await response.json()) as ProblemBody
      if (problem.code === 'not-found') return undefined
      throw refused(404, problem)
    },
  }
}

function refused(status: number, problem: ProblemBody): CommandError {
  const detail = problem.detail ?? `the server answered ${status}`
  if (status === 401) return new CommandError(`${detail}. Give it by --token or PIPIT_TOKEN`, exitCodes.usage)
  const exitCode = status === 422 ? exitCodes.invalid : status === 503 ? exitCodes.unavailable : exitCodes.failed
  return new CommandError(detail, exitCode, problem.errors ?? [])
}
