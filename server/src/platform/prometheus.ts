/** How long a query may take, and how long its answer may be. */
const timeoutMs = 5000
const longestAnswer = 1_000_000

interface Answer {
  readonly status?: string
  readonly error?: string
  readonly data?: { readonly resultType?: string; readonly result?: unknown }
}

/** The one number that an instant query gives. Rejects with what is wrong, in words. */
export async function queryPrometheus(address: string, expression: string): Promise<number> {
  const url = new URL(`${address.replace(/\/+$/, '')}/api/v1/query`)
  url.searchParams.set('query', expression)
  const answer = await answerOf(url)
  if (answer.status !== 'success') throw new Error(`it answers: ${answer.error ?? 'no success'}`)
  const value = Number(numberOf(answer.data))
  if (!Number.isFinite(value)) throw new Error(`it gives ${String(value)}, which is no figure`)
  return value
}

async function answerOf(url: URL): Promise<Answer> {
  let text: string
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
    text = await response.text()
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw new Error(`no answer from ${url.origin}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (text.length > longestAnswer) throw new Error(`the answer of ${url.origin} is too long`)
  try {
    return JSON.parse(text) as Answer
  } catch {
    throw new Error(`${url.origin} does not answer as a Prometheus does`)
  }
}

function numberOf(data: Answer['data']): unknown {
  const result = data?.result
  if (data?.resultType === 'scalar' && Array.isArray(result)) return result[1]
  if (data?.resultType !== 'vector' || !Array.isArray(result)) throw new Error('it gives no number')
  if (result.length !== 1) throw new Error(`it gives ${result.length} series; the expression has to give one`)
  return (result[0] as { value?: readonly unknown[] }).value?.[1]
}
