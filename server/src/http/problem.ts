import type { Issue } from '@pipit/shared/base'
import type { Problem as EngineProblem } from '../engine/api.ts'

/** Every code an answer of the REST API can carry, with its HTTP status. Stable: programs may rely on them. Documented in README.md. */
export const problemStatuses = {
  'malformed-json': 400,
  'malformed-yaml': 400,
  'bad-query': 400,
  unauthorized: 401,
  forbidden: 403,
  'no-such-route': 404,
  'unknown-environment': 404,
  'not-found': 404,
  'method-not-allowed': 405,
  exists: 409,
  'in-use': 409,
  'stale-version': 409,
  'illegal-in-phase': 409,
  'invalid-edit': 409,
  'outcome-unknown': 409,
  'too-large': 413,
  'unsupported-media-type': 415,
  invalid: 422,
  'idempotency-mismatch': 422,
  'unknown-variant': 422,
  'invalid-weight': 422,
  'unknown-guard': 422,
  'in-the-past': 422,
  'limit-reached': 422,
  'too-many-streams': 429,
  internal: 500,
  unavailable: 503,
} as const satisfies { readonly [code: string]: number }

export type HttpProblemCode = keyof typeof problemStatuses

export interface ProblemExtras {
  readonly errors?: readonly Issue[]
  /** Headers that belong to the answer, such as `allow`. */
  readonly headers?: { readonly [name: string]: string }
  /** More members of the document, such as both versions of a stale write. */
  readonly members?: { readonly [name: string]: unknown }
  readonly cause?: unknown
}

/** A refusal on its way to the client: thrown by handlers, turned into an RFC 9457 document by `createApp`. */
export class HttpProblem extends Error {
  readonly code: HttpProblemCode
  readonly status: (typeof problemStatuses)[HttpProblemCode]
  readonly extras: ProblemExtras
  constructor(code: HttpProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause })
    this.code = code
    this.status = problemStatuses[code]
    this.extras = extras
  }
}

/** A value that does not hold: all faults at once, each with its path. */
export function invalid(errors: readonly Issue[], code: 'invalid' | 'bad-query' = 'invalid'): HttpProblem {
  const first = errors[0]
  const what =
    first === undefined ? 'the value is not valid' : `${first.path === '' ? 'the value' : first.path} ${first.message}`
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : ''
  return new HttpProblem(code, `${what}${more}; nothing was changed`, { errors })
}

const titles: { readonly [status: number]: string } = {
  400: 'The request cannot be read',
  401: 'No valid token',
  403: 'Not allowed with this token',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Not possible as things stand',
  413: 'The body is too large',
  415: 'The content type is not taken here',
  422: 'The value is not valid',
  429: 'Too many at once',
  500: 'A fault in Pipit',
  503: 'Storage is not available',
}

export function problemResponse(problem: HttpProblem): Response {
  const { errors, headers, members } = problem.extras
  const body = {
    type: `urn:pipit:problem:${problem.code}`,
    title: titles[problem.status],
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    ...members,
    ...(errors === undefined ? {} : { errors }),
  }
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}

/** Which field of a command a rejection of the machine speaks of. */
const rejectedFields: { readonly [code: string]: string } = {
  'invalid-weight': 'weight',
  'unknown-variant': 'variant',
  'unknown-guard': 'metric',
  'in-the-past': 'at',
}

/** What the engine refused, as the API tells it. `field`: the body's field that the refusal speaks of, where it is not the usual one. */
export function fromEngine(problem: EngineProblem, field?: string): HttpProblem {
  const path = field ?? rejectedFields[problem.code]
  const errors = problem.issues ?? (path === undefined ? undefined : [{ path, message: problem.message }])
  return new HttpProblem(problem.code, problem.message, errors === undefined ? {} : { errors })
}
