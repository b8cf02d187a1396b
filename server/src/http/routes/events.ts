import { createRoute } from '@hono/zod-openapi'
import type { Cancel } from '@pipit/shared/clock'
import { bearer } from '../access.ts'
import type { AppDeps } from '../context.ts'
import type { LiveEvent, LiveFeed } from '../live-feed.ts'
import { HttpProblem } from '../problem.ts'
import { type Guards, newRoutes, problemAnswer, query, tellFaults } from '../routing.ts'

/** Live pages at once; beyond it they are told to come back. */
const maxWatchers = 500
/** Bytes that may wait for a reader before it is cut: it comes back to the whole picture. */
const slowBytes = 1_048_576
/** A sign of life, and a look whether the token still holds. */
const beatMs = 10_000

/** `GET /events`: server-sent events for live pages. */
export function eventRoutes(deps: AppDeps, guards: Guards, feed: LiveFeed) {
  const events = createRoute({
    method: 'get',
    path: '/events',
    summary: 'Live: every rollout as it is now, then each that changes',
    description:
      'Events: `rollout` (a Rollout), `removed` ({key}), `instances` ({connected, version, applied, of}), `ready` once the first picture is complete.',
    middleware: guards.read('viewer'),
    request: { query: query({}) },
    responses: {
      200: { description: 'A stream of events', content: { 'text/event-stream': {} } },
      default: problemAnswer,
    },
  })

  return newRoutes().openapi(
    events,
    (c) => {
      if (feed.watchers >= maxWatchers) {
        throw new HttpProblem(
          'too-many-streams',
          `${maxWatchers} live pages are open already; close some, or come back later`,
          {
            headers: { 'retry-after': '30' },
          },
        )
      }
      const secret = bearer(c.req.header('authorization')) ?? ''
      const body = stream(deps, feed, c.get('environment').name, () => deps.authenticate(secret))
      return new Response(body, {
        headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
      })
    },
    tellFaults(events),
  )
}

function stream(
  { clock, draining }: AppDeps,
  feed: LiveFeed,
  environment: string,
  stillValid: () => Promise<unknown>,
): ReadableStream<Uint8Array> {
  let end: () => void = () => undefined
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const encoder = new TextEncoder()
        let cancelBeat: Cancel = () => undefined
        let cancelWatch: Cancel = () => undefined
        let ended = false
        end = () => {
          if (ended) return
          ended = true
          cancelBeat()
          cancelWatch()
          draining.removeEventListener('abort', end)
          controller.close()
        }
        const write = (text: string): void => {
          if (ended) return
          controller.enqueue(encoder.encode(text))
          if ((controller.desiredSize ?? 0) < 0) end()
        }
        const beat = async (): Promise<void> => {
          const valid = await stillValid().catch(() => true)
          if (ended) return
          if (valid === undefined) return end()
          write(': still here\n\n')
          cancelBeat = clock.setTimer(beatMs, () => void beat())
        }
        write(': pipit\n\n')
        cancelWatch = feed.watch(environment, (events) => write(events.map(framed).join('')))
        cancelBeat = clock.setTimer(beatMs, () => void beat())
        draining.addEventListener('abort', end)
        if (draining.aborted) end()
      },
      cancel() {
        end()
      },
    },
    { highWaterMark: slowBytes, size: (chunk) => chunk?.byteLength ?? 0 },
  )
}

/** The data is JSON and so has no raw line break. */
const framed = ({ event, data }: LiveEvent): string => `event: ${event}\ndata: ${data}\n\n`
