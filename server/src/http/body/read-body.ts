import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../context.ts'
import { HttpProblem } from '../problem.ts'
import { bodyLimits, checkJson, decodeUtf8, parseYaml } from './parse-body.ts'

/** Bytes that a body may have, by what it holds. */
export const bodyBytes = {
  usual: 1_048_576,
  /** Cohorts may carry up to a million members. */
  members: 33_554_432,
} as const

export interface BodyRules {
  readonly maxBytes?: number
  /** Also takes `application/yaml`. */
  readonly yaml?: boolean
  /** There must be a body. */
  readonly required?: boolean
  /** The request has no body: what somebody puts there would be ignored, so it is refused. */
  readonly none?: boolean
}

const yamlTypes = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml']

/**
 * The door for bodies: bounded size and depth, UTF-8, a content type that is taken, no malformed text. What comes through is JSON:
 * a YAML document goes on as the JSON it stands for, so that one set of schemas validates both.
 */
export function readBody(rules: BodyRules = {}): MiddlewareHandler<AppEnv> {
  const maxBytes = rules.maxBytes ?? bodyBytes.usual
  return async (c, next) => {
    const bytes = await readBytes(c.req.raw, maxBytes)
    const type = (c.req.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const headers = new Headers(c.req.raw.headers)
    if (bytes.length === 0 && rules.required === true) throw missing(rules)
    if (bytes.length === 0) headers.delete('content-type')
    else headers.set('content-type', 'application/json')
    const body = bytes.length === 0 ? undefined : asJson(bytes, type, rules)
    c.req.raw = new Request(c.req.url, { method: c.req.method, headers, ...(body === undefined ? {} : { body }) })
    c.req.bodyCache = {}
    await next()
  }
}

function missing(rules: BodyRules): HttpProblem {
  const message = `is missing; send one as ${takenTypes(rules)}`
  return new HttpProblem('malformed-json', `the body ${message}`, { errors: [{ path: '', message }] })
}

const takenTypes = (rules: BodyRules): string =>
  rules.yaml === true ? 'application/json or application/yaml' : 'application/json'

/** The body as a JSON text without faults. */
function asJson(bytes: Uint8Array, type: string, rules: BodyRules): string {
  if (rules.none === true) {
    const message = 'must be empty; name the version as ?version= or If-Match, and no more is needed'
    throw new HttpProblem('invalid', `the body of this request ${message}`, { errors: [{ path: '', message }] })
  }
  if (type === 'application/json' || /^application\/[\w.-]+\+json$/.test(type)) {
    const text = decodeUtf8(bytes, 'malformed-json')
    checkJson(text)
    return text
  }
  if (rules.yaml === true && yamlTypes.includes(type)) {
    if (bytes.length > bodyLimits.yamlBytes) throw tooLarge(bodyLimits.yamlBytes)
    return JSON.stringify(parseYaml(decodeUtf8(bytes, 'malformed-yaml')))
  }
  const given = type === '' ? 'The body has no content type' : `The content type ${type} is not taken here`
  throw new HttpProblem('unsupported-media-type', `${given}; send ${takenTypes(rules)}`)
}

const tooLarge = (maxBytes: number): HttpProblem =>
  new HttpProblem(
    'too-large',
    `the body has more than ${maxBytes} bytes, the most that is taken here; send less at once`,
    {
      headers: { connection: 'close' },
    },
  )

/** The whole body; stops reading at the first byte too many. */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const told = Number(request.headers.get('content-length') ?? '0')
  if (told > maxBytes) throw tooLarge(maxBytes)
  // Node takes no more bytes than were told; without a stream around them reading costs a third.
  if (told > 0) return new Uint8Array(await request.arrayBuffer().catch(incomplete))
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of request.body) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof HttpProblem) throw error
    return incomplete(error)
  }
  return Buffer.concat(chunks)
}

function incomplete(cause: unknown): never {
  const message = 'ends before it is complete; send it again'
  throw new HttpProblem('malformed-json', `the body ${message}`, { errors: [{ path: '', message }], cause })
}
