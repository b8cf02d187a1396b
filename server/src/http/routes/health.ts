import { Hono } from 'hono'
import type { AppDeps } from '../context.ts'
import { HttpProblem } from '../problem.ts'
import { gatherSamples, prometheusText, type RequestCounter } from '../prometheus.ts'

/** The disk cannot follow where a report waits for so long. */
const busyMs = 1000

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
      const load = deps.ingest.load()
      const { failingSinceMs, oldestMs, reports } = load
      if (failingSinceMs !== undefined) {
        const seconds = Math.round(failingSinceMs / 1000)
        throw new HttpProblem(
          'unavailable',
          `no report could be stored for ${seconds} s: is the disk full, or read-only?`,
          {
            headers: { 'retry-after': '5' },
          },
        )
      }
      await deps.storage.check()
      // Changes and decisions go on as ever: nobody should be sent elsewhere because of it.
      if (oldestMs >= busyMs) return c.json({ status: 'busy', reportsWaiting: reports, oldestWaitsMs: oldestMs }, 200)
      const oversize = deps.hub.oversize()
      if (oversize.length > 0) return c.json({ status: 'oversize', environments: oversize }, 200)
      return c.json({ status: 'ok' }, 200)
    })
    .get('/metrics', async (c) => {
      const text = prometheusText(await gatherSamples(deps, requests))
      return c.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    })
}
