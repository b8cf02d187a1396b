import { wireLimits } from '@pipit/shared/protocol'
import { type Context, Hono } from 'hono'
import { type KeyOwner, readLabels, reportResponse, rulesetResponse, type SdkRequest } from '../../push/index.ts'
import type { AppDeps } from '../context.ts'
import { pageSdk } from './page-sdk.ts'
import { bearerOf, instanceOf, ownerOf, Refused, sdkOf, textOf, unavailable, wireHeaders } from './sdk-request.ts'

/** For SDKs that cannot have a socket. These routes speak the wire: what is refused is an `error` message, not a problem document. */
export function sdkRoutes(deps: AppDeps): Hono {
  const { hub, log } = deps
  const pages = pageSdk(deps)

  function requestOf({ environment, keyId }: KeyOwner, headers: Headers): SdkRequest {
    const instance = instanceOf(headers.get('x-pipit-instance') ?? undefined, 'x-pipit-instance')
    const sdk = sdkOf(headers.get('x-pipit-sdk') ?? undefined)
    const header = headers.get('x-pipit-labels')
    if (header === null) return { environment, keyId, instance, sdk }
    const read = readLabels(header)
    if ('fault' in read) throw new Refused(400, 'bad-message', read.fault, 'x-pipit-labels')
    return { environment, keyId, instance, sdk, ...(read.labels === undefined ? {} : { labels: read.labels }) }
  }

  async function serverOf(c: Context): Promise<KeyOwner> {
    const owner = await ownerOf(hub, bearerOf(c), 'send the key as `Authorization: Bearer srv_…`')
    if (owner.kind === 'srv') return owner
    const message =
      'this is a web_ key, for pages: they get what they may know, and report, by POST /sdk/v1/page with the key in the body'
    throw new Refused(403, 'unauthorized', message)
  }

  const app = new Hono()
  app.onError((error) => {
    if (error instanceof Refused) return error.response()
    log.error('an SDK route failed', { error: String(error) })
    return unavailable().response()
  })
  app.get('/ruleset', async (c) => {
    const owner = await serverOf(c)
    const answer = await rulesetResponse(hub, requestOf(owner, c.req.raw.headers), c.req.header('if-none-match'))
    const etag = { etag: answer.etag, 'cache-control': 'no-cache' }
    if (answer.status === 304) return new Response(null, { status: 304, headers: etag })
    return new Response(answer.body, { status: 200, headers: { ...wireHeaders, ...etag } })
  })
  app.post('/reports', async (c) => {
    const request = requestOf(await serverOf(c), c.req.raw.headers)
    const answer = await reportResponse(hub, request, await textOf(c, wireLimits.reportBytes))
    const { retryAfterMs } = answer
    const later = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
    return new Response(answer.body, { status: answer.status, headers: { ...wireHeaders, ...later } })
  })
  app.use('/page', pages.cors)
  app.post('/page', pages.post)
  return app
}
