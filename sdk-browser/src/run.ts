import type { Client, Outcome, Paths, RunOptions } from '@pipit/shared/client'
import type { Decision } from '@pipit/shared/decide'

/** The last argument of calls. */
export type Which = string | RunOptions | undefined

type RunParts = Pick<Client, 'outcome'> & { readonly now: () => number }

/** What the application's own judgement says; one that throws says nothing. */
function asked<V, T>(judge: ((value: V) => T) | undefined, value: V): T | undefined {
  try {
    return judge?.(value)
  } catch {
    return undefined
  }
}

/**
 * Runs the path of a decision, times it and reports it. With `fallback`, a canary that throws is answered by stable, which then counts
 * apart: its users are those whom the canary failed. A variant without a path gets stable's.
 */
export async function runPaths<T>(
  { outcome, now }: RunParts,
  decision: Decision,
  paths: Paths<T>,
  { fallback, isOk, kindOf }: RunOptions = {},
): Promise<T> {
  const forced: Decision = { ...decision, variant: 'stable', randomised: false }
  const { stable } = paths
  const own = paths[decision.variant]
  const path = own ?? stable
  if (!path) throw new TypeError('pipit: no path stable')

  async function timed(of: Decision, run: () => T | Promise<T>): Promise<T> {
    const began = now()
    const tell = (ok: boolean, ended: unknown): void => {
      const latencyMs = now() - began
      outcome(of, { ok, latencyMs, kind: ok ? undefined : asked(kindOf, ended) } as Outcome)
    }
    let result: T
    try {
      result = await run()
    } catch (error) {
      tell(false, error)
      throw error
    }
    tell(!isOk || asked(isOk, result) === true, result)
    return result
  }

  try {
    return await timed(own ? decision : forced, path)
  } catch (error) {
    if (!fallback || !stable || path === stable) throw error
    return timed(forced, stable)
  }
}
