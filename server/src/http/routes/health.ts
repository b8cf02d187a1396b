import { Hono } from 'hono'
import type { AppDeps } from '../context.ts'
import { HttpProblem } from '../problem.ts'
import { gatherSamples, prometheusText, type RequestCounter } from '../prometheus.ts'

/** For machines that watch this one: alive, ready, and the numbers. */
export function healthRoutes(deps: AppDeps, requests: RequestCounter): Hono {
  return new Hono()
    .get('/healthz', (c) => c.json({ status: 'ok' }, 200))
    .get('/readyz', async (c) => {
      if (deps.draining.aborted) {
        throw new HttpProblem('unavailable', 'this server is going down; ask another', {
          headers: { 'retry-after': '5' },
        })
      }
      await deps.storage.check()
      return c.json({ status: 'ok' }, 200)
    })
    .get('/metrics', async (c) => {
      const text = prometheusText(await gatherSamples(deps, requests))
      return c.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    })
}
