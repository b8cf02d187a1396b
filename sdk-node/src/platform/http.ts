import type { HttpRequest, HttpResponse } from '@pipit/shared/client'

/** One request by the global fetch; rejects on network failure or timeout. */
export async function request({ method, url, headers, body, timeoutMs }: HttpRequest): Promise<HttpResponse> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  return {
    status: answer.status,
    etag: answer.headers.get('etag') ?? undefined,
    body: await answer.text(),
    retryAfterMs: retryAfterMs(answer.headers.get('retry-after') ?? undefined),
  }
}

/** Of a `retry-after` in seconds; undefined for a date, which another clock has made. */
export function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Math.min(Number(header) * 1000, 60_000) : undefined
}
