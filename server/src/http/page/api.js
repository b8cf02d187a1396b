import { newId, random } from './platform/browser.js'

/** Talks to the REST API and its live stream. */

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered ${status}`)
    this.status = status
    this.code = problem.code
  }
}

export async function call(token, method, path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined
        ? {}
        : {
            'content-type': 'application/json',
            'idempotency-key': newId(),
          }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const value = text === '' ? {} : JSON.parse(text)
  if (!response.ok) throw new Refused(response.status, value)
  return value
}

/** A sign of life comes every 10 s; a stream silent for three of them is dead though nobody said so. */
const silentMs = 30_000

/**
 * Listens to the live stream until `signal` aborts, coming back by itself. `EventSource` cannot send the token, so this reads the
 * stream of a fetch. `heard(event, data)` gets every event; `online(true | false)` tells whether the stream stands.
 */
export async function listen({ token, environment, heard, online, refused, signal }) {
  let failures = 0
  while (!signal.aborted) {
    try {
      await listenOnce({
        token,
        environment,
        signal,
        heard: (event, data) => {
          failures = 0
          online(true)
          heard(event, data)
        },
      })
    } catch (error) {
      if (error instanceof Refused && (error.status === 401 || error.status === 403 || error.status === 404))
        return refused(error)
    }
    if (signal.aborted) return
    online(false)
    failures++
    const waitMs = Math.min(15_000, 500 * 2 ** failures) * (0.5 + random())
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

async function listenOnce({ token, environment, heard, signal }) {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), silentMs)
  try {
    const response = await fetch(`/api/v1/events?environment=${encodeURIComponent(environment)}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, silence.signal]),
    })
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})))
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), silentMs)
      const parts = (rest + value).split('\n\n')
      rest = parts.pop() ?? ''
      for (const part of parts) tell(part, heard)
    }
  } finally {
    clearTimeout(timer)
  }
}

function tell(frame, heard) {
  let event = 'message'
  let data = ''
  for (const line of frame.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7)
    if (line.startsWith('data: ')) data += line.slice(6)
  }
  if (data !== '') heard(event, JSON.parse(data))
}
