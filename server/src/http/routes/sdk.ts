import { encodeMessage, type WireError, wireLimits } from '@pipit/shared/protocol'
import { Hono } from 'hono'
import { type KeyOwner, reportResponse, rulesetResponse, type SdkRequest } from '../../push/index.ts'
import type { AppDeps } from '../context.ts'
import { pageSdk } from './page-sdk.ts'
import { bearerOf, instanceOf, ownerOf, Refused, sdkOf, textOf, wireHeaders } from './sdk-request.ts'

/** For SDKs that cannot have a socket. These routes speak the wire: what is refused is an `error` message, not a problem document. */
export function sdkRoutes(deps: AppDeps): Hono {
  const { hub, log } = deps
  const pages = pageSdk(deps)

  function requestOf({ environment }: KeyOwner, headers: Headers): SdkRequest {
    const instance = instanceOf(headers.get('x-pipit-instance') ?? undefined, 'x-pipit-instance')
    return { environment, instance, sdk: sdkOf(headers.get('x-pipit-sdk') ?? undefined) }
  }

  const app = new Hono()
  app.onError((error) => {
    if (error instanceof Refused) return error.response()
    log.error('an SDK route failed', { error: String(error) })
    const answer: WireError = {
      type: 'error',
      code: 'unavailable',
      message: 'not possible now; come back later',
      retry: true,
    }
    return new Response(encodeMessage(answer), { status: 503, headers: { ...wireHeaders, 'retry-after': '5' } })
  })
  app.get('/ruleset', async (c) => {
    const owner = await ownerOf(hub, bearerOf(c))
    if (owner.kind === 'web') {
      const message = 'this is a web_ key, for pages: they get what they may know from POST /sdk/v1/page'
      throw new Refused(403, 'unauthorized', message)
    }
    const answer = await rulesetResponse(hub, requestOf(owner, c.req.raw.headers), c.req.header('if-none-match'))
    const etag = { etag: answer.etag, 'cache-control': 'no-cache' }
    if (answer.status === 304) return new Response(null, { status: 304, headers: etag })
    return new Response(answer.body, { status: 200, headers: { ...wireHeaders, ...etag } })
  })
  app.use('/page', pages.cors)
  app.use('/reports', pages.cors)
  app.use('/beacon', pages.cors)
  app.post('/page', pages.page)
  app.post('/beacon', pages.beacon)
  app.post('/reports', async (c) => {
    const owner = await ownerOf(hub, bearerOf(c))
    if (owner.kind === 'web') return pages.reports(c, owner)
    const request = requestOf(owner, c.req.raw.headers)
    const answer = await reportResponse(hub, request, await textOf(c, wireLimits.reportBytes))
    return new Response(answer.body, { status: answer.status, headers: wireHeaders })
  })
  return app
}
