import { encodeMessage, type WireError, wireLimits } from '@pipit/shared/protocol'
import type { Context } from 'hono'
import { Hono } from 'hono'
import { instanceFault, reportResponse, rulesetResponse, type SdkRequest } from '../../push/index.ts'
import { bearer } from '../access.ts'
import { readBytes } from '../body/read-body.ts'
import type { AppDeps } from '../context.ts'
import { HttpProblem } from '../problem.ts'

const headers = { 'content-type': 'application/json' }

class Refused extends Error {
  readonly status: 400 | 401 | 403 | 413 | 503
  readonly error: WireError
  constructor(status: Refused['status'], code: WireError['code'], message: string, path?: string) {
    super(message)
    this.status = status
    this.error = { type: 'error', code, message, retry: status === 503, ...(path === undefined ? {} : { path }) }
  }
}

/** For SDKs that cannot have a socket. These routes speak the wire: what is refused is an `error` message, not a problem document. */
export function sdkRoutes({ hub, log }: AppDeps): Hono {
  async function requestOf(c: Context): Promise<SdkRequest> {
    const key = bearer(c.req.header('authorization'))
    if (key === undefined) throw new Refused(401, 'unauthorized', 'send the key as `Authorization: Bearer srv_…`')
    const who = await hub.authenticate(key)
    if (who === undefined) throw new Refused(401, 'unauthorized', 'this key is not known here, or was revoked')
    if (who.kind === 'web') {
      const message = 'web keys are for browser SDKs, which this version does not serve yet; use a srv_ key'
      throw new Refused(403, 'unauthorized', message)
    }
    const instance = c.req.header('x-pipit-instance')
    const fault = instanceFault(instance)
    if (instance === undefined || fault !== undefined) {
      throw new Refused(400, 'bad-message', fault ?? '', 'x-pipit-instance')
    }
    const sdk = (c.req.header('x-pipit-sdk') ?? 'unknown').slice(0, 128)
    return { environment: who.environment, instance, sdk }
  }

  async function textOf(c: Context): Promise<string> {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(c.req.raw, wireLimits.reportBytes))
    } catch (error) {
      if (!(error instanceof HttpProblem)) throw new Refused(400, 'bad-message', 'message refused, it is not UTF-8')
      const isLarge = error.code === 'too-large'
      throw new Refused(isLarge ? 413 : 400, isLarge ? 'too-large' : 'bad-message', error.message)
    }
  }

  const app = new Hono()
  app.onError((error) => {
    if (error instanceof Refused) return new Response(encodeMessage(error.error), { status: error.status, headers })
    log.error('an SDK route failed', { error: String(error) })
    const answer: WireError = {
      type: 'error',
      code: 'unavailable',
      message: 'not possible now; come back later',
      retry: true,
    }
    return new Response(encodeMessage(answer), { status: 503, headers: { ...headers, 'retry-after': '5' } })
  })
  app.get('/ruleset', async (c) => {
    const answer = await rulesetResponse(hub, await requestOf(c), c.req.header('if-none-match'))
    const etag = { etag: answer.etag, 'cache-control': 'no-cache' }
    if (answer.status === 304) return new Response(null, { status: 304, headers: etag })
    return new Response(answer.body, { status: 200, headers: { ...headers, ...etag } })
  })
  app.post('/reports', async (c) => {
    const request = await requestOf(c)
    const answer = await reportResponse(hub, request, await textOf(c))
    return new Response(answer.body, { status: answer.status, headers })
  })
  return app
}
