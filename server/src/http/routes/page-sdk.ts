import type { IncomingMessage } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import {
  addressOfRequest,
  type KeyOwner,
  originFault,
  type PageAnswer,
  type PageFlow,
  pageReportResponse,
  pageResponse,
  type Who,
} from '../../push/index.ts'
import type { AppDeps } from '../context.ts'
import { bearerOf, instanceOf, ownerOf, Refused, sdkOf, textOf, wireHeaders } from './sdk-request.ts'

/** How long it is remembered whose pages may come. */
const originsMs = 5000
/** How long a browser may remember that it may ask. */
const preflightSeconds = 600

/** What pages ask over HTTP: where sockets are cut, and with their last breath. */
export interface PageSdk {
  /** Lets pages of other origins read answers, and answers their preflights. */
  readonly cors: MiddlewareHandler
  page(c: Context): Promise<Response>
  reports(c: Context, owner: KeyOwner): Promise<Response>
  beacon(c: Context): Promise<Response>
}

export function pageSdk(deps: AppDeps): PageSdk {
  const { hub, storage, clock } = deps
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
      const message = 'this is a srv_ key, for servers: they get their ruleset from GET /sdk/v1/ruleset'
      throw new Refused(403, 'unauthorized', message)
    }
    const fault = originFault(owner, c.req.header('origin'))
    if (fault !== undefined) throw new Refused(403, 'unauthorized', fault)
    const { environment, keyId, kind } = owner
    return { environment, keyId, kind, agent: c.req.header('user-agent'), address: addressOf(c) }
  }

  function take(who: Who, flow: PageFlow, text: string): void {
    const limit = hub.pageLimits.take(flow, who) ?? hub.pageLimits.take('bytes', who, text.length)
    if (limit === undefined) return
    hub.count('page_limited')
    throw new Refused(429, 'limit', `the limit ${limit} is reached; come back in a minute`)
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
      c.res.headers.set('access-control-expose-headers', 'etag, retry-after')
      c.res.headers.set('cross-origin-resource-policy', 'cross-origin')
    },
    async page(c) {
      const who = whoOf(c, await ownerOf(hub, bearerOf(c)))
      const text = await textOf(c, hub.limits.pageMessageBytes)
      take(who, 'hellos', text)
      return answered(await pageResponse(hub, who, text, c.req.header('if-none-match')))
    },
    async reports(c, owner) {
      const who = whoOf(c, owner)
      const instance = instanceOf(c.req.header('x-pipit-instance'), 'x-pipit-instance')
      const text = await textOf(c, hub.limits.pageMessageBytes)
      const from = { instance, sdk: sdkOf(c.req.header('x-pipit-sdk')), isLast: false }
      take(who, 'reports', text)
      return answered(await pageReportResponse(hub, who, from, text))
    },
    async beacon(c) {
      const { key, instance, sdk, report } = readBeacon(await textOf(c, hub.limits.pageMessageBytes))
      const who = whoOf(c, await ownerOf(hub, key))
      const from = { instance: instanceOf(instance, 'instance'), sdk: sdkOf(sdk), isLast: true }
      take(who, 'reports', report)
      return answered(await pageReportResponse(hub, who, from, report))
    },
  }
}

function preflight(origin: string | undefined): Response {
  if (origin === undefined) return new Response(null, { status: 403, headers: { vary: 'origin' } })
  const headers = {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'authorization, content-type, if-none-match, x-pipit-instance, x-pipit-sdk',
    'access-control-max-age': String(preflightSeconds),
  }
  return new Response(null, { status: 204, headers })
}

function answered({ status, etag, body }: PageAnswer): Response {
  const headers = { ...wireHeaders, ...(etag === undefined ? {} : { etag, 'cache-control': 'private, no-cache' }) }
  return new Response(status === 304 ? null : body, { status, headers })
}

interface Beacon {
  readonly key: string | undefined
  readonly instance: string | undefined
  readonly sdk: string | undefined
  /** As a message. */
  readonly report: string
}

/** `sendBeacon` cannot set headers: everything is in the body, whatever its type is said to be. `sdk` is a text or `{ name, version }`. */
function readBeacon(text: string): Beacon {
  try {
    const body: unknown = JSON.parse(text)
    const fields = (typeof body === 'object' && body !== null ? body : {}) as { readonly [field: string]: unknown }
    const { key, instance, sdk, report = null } = fields
    return {
      ...{ key: asText(key), instance: asText(instance), sdk: asText(sdk) ?? sdkText(sdk) },
      report: JSON.stringify(report),
    }
  } catch {
    // Also of what is nested deeper than can be written.
    throw new Refused(400, 'bad-message', 'message refused, it is not JSON')
  }
}

const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

function sdkText(sdk: unknown): string | undefined {
  if (typeof sdk !== 'object' || sdk === null) return undefined
  const { name, version } = sdk as { readonly [field: string]: unknown }
  return typeof name === 'string' && typeof version === 'string' ? `${name}/${version}` : undefined
}

/** Node's request lies behind Hono's; there is none where the app is asked without a server. */
function addressOf(c: Context): string | undefined {
  const incoming = (c.env as { readonly incoming?: IncomingMessage } | undefined)?.incoming
  return incoming === undefined ? undefined : addressOfRequest(incoming)
}
