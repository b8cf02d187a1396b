import type { HttpRequest, HttpResponse } from '@pipit/shared/client'

/** One request by the global fetch; rejects on network failure or timeout. */
export async function request({ method, url, headers, body, timeoutMs }: HttpRequest): Promise<HttpResponse> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  return { status: answer.status, etag: answer.headers.get('etag') ?? undefined, body: await answer.text() }
}
