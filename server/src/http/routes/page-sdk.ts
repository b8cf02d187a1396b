import type { IncomingMessage } from 'node:http'
import { type Parsed, parsePagePost, protocolVersion } from '@pipit/shared/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import {
  addressOfRequest,
  type KeyOwner,
  originFault,
  type PageFlow,
  pageResponse,
  type Who,
} from '../../push/index.ts'
import type { AppDeps } from '../context.ts'
import { ownerOf, Refused, textOf, unavailable, wireHeaders } from './sdk-request.ts'

/** How long it is remembered whose pages may come. */
const originsMs = 5000
/** How long a browser may remember that it may ask. */
const preflightSeconds = 600

/** What pages ask over HTTP: where sockets are cut, and to report. */
export interface PageSdk {
  /** Lets pages of other origins read answers, and answers their preflights. */
  readonly cors: MiddlewareHandler
  /** Takes a `PagePost`; answers with a list of messages, whatever happens. */
  post(c: Context): Promise<Response>
}

export function pageSdk(deps: AppDeps): PageSdk {
  const { hub, storage, clock, log } = deps
  let known: { readonly origins: ReadonlySet<string>; readonly any: boolean; readonly until: number } | undefined

  /** A preflight has no key: it is enough that some key is for this origin. The request itself is held to its own. */
  async function mayCome(origin: string): Promise<boolean> {
    if (known === undefined || clock.monotonic() >= known.until) {
      const all = await storage.keys.list()
      const keys = all.filter(({ kind, revokedAt }) => kind === 'web' && revokedAt === undefined)
      const origins = new Set(keys.flatMap((key) => key.origins ?? []))
      const any = keys.some((key) => key.origins === undefined)
      known = { origins, any, until: clock.monotonic() + originsMs }
    }
    return known.any || known.origins.has(origin)
  }

  /** Who asks, held to the origins of the key. */
  function whoOf(c: Context, owner: KeyOwner): Who {
    if (owner.kind !== 'web') {
      const message =
        'this is a srv_ key, for servers: they get their ruleset from GET /sdk/v1/ruleset, and nothing here'
      throw new Refused(403, 'unauthorized', message)
    }
    const fault = originFault(owner, c.req.header('origin'))
    if (fault !== undefined) throw new Refused(403, 'unauthorized', fault)
    const { environment, keyId, kind } = owner
    return { environment, keyId, kind, agent: c.req.header('user-agent'), address: addressOf(c) }
  }

  function take(who: Who, flow: PageFlow, amount: number): void {
    const limit = amount === 0 ? undefined : hub.pageLimits.take(flow, who, amount)
    if (limit === undefined) return
    hub.count('page_limited')
    throw new Refused(429, 'limit', `the limit ${limit} is reached; come back in a minute`)
  }

  async function answer(c: Context): Promise<string> {
    const text = await textOf(c, hub.limits.pageMessageBytes)
    const envelope = understood(parsePagePost(text))
    const who = whoOf(c, await ownerOf(hub, envelope.key, 'give the web_ key of this page as `key` in the body'))
    take(who, 'bytes', text.length)
    take(who, 'reports', envelope.reports)
    const post = understood(envelope.read())
    const { head } = post
    if (head.type === 'hello' && head.protocol !== protocolVersion) {
      const message = `this server speaks protocol ${protocolVersion}, the SDK ${head.protocol}; upgrade the older of the two`
      throw new Refused(400, 'protocol-version', message)
    }
    take(who, 'hellos', head.type === 'hello' ? 1 : 0)
    return pageResponse(hub, who, post)
  }

  return {
    async cors(c, next) {
      const origin = c.req.header('origin')
      if (c.req.method === 'OPTIONS')
        return preflight(origin !== undefined && (await mayCome(origin)) ? origin : undefined)
      await next()
      c.res.headers.append('vary', 'origin')
      if (origin === undefined) return
      // Errors too: a page that cannot read why it was refused can tell nobody.
      c.res.headers.set('access-control-allow-origin', origin)
      c.res.headers.set('access-control-expose-headers', 'retry-after')
      c.res.headers.set('cross-origin-resource-policy', 'cross-origin')
    },
    async post(c) {
      try {
        return new Response(await answer(c), { status: 200, headers: wireHeaders })
      } catch (error) {
        if (error instanceof Refused) return error.response('list')
        log.error('the route of pages failed', { error: String(error) })
        return unavailable().response('list')
      }
    },
  }
}

function understood<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.message
  const { code, message, path } = parsed.error
  throw new Refused(400, code, message, path)
}

function preflight(origin: string | undefined): Response {
  if (origin === undefined) return new Response(null, { status: 403, headers: { vary: 'origin' } })
  const headers = {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'content-type',
    'access-control-max-age': String(preflightSeconds),
  }
  return new Response(null, { status: 204, headers })
}

/** Node's request lies behind Hono's; there is none where the app is asked without a server. */
function addressOf(c: Context): string | undefined {
  const incoming = (c.env as { readonly incoming?: IncomingMessage } | undefined)?.incoming
  return incoming === undefined ? undefined : addressOfRequest(incoming)
}
