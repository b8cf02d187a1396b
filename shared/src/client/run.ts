import type { Decision, User } from '../decide/index.ts'
import type { Client, Outcome, RunOptions } from './api.ts'
import type { Paths } from './rollout-types.ts'

type RunParts = Pick<Client, 'decide' | 'outcome'> & { readonly monotonic: () => number }

/**
 * Runs the path of the user's variant, times it and reports it. With `fallback`, a canary that throws is answered by stable: the
 * canary's failure counts under the decision; the stable run counts as forced, because its users are those whom the canary failed
 * and not a random sample.
 */
export async function runPaths<T>(
  parts: RunParts,
  user: User | undefined,
  paths: Paths<T>,
  which: string | RunOptions | undefined,
): Promise<T> {
  const decision = parts.decide(user, which)
  const options = typeof which === 'string' ? undefined : which
  const path = pathOf(paths, decision.variant)
  const stable = pathOf(paths, 'stable')
  if (path === undefined) {
    // No path for this variant: stable is what runs, so nothing is said about the variant.
    if (stable === undefined)
      throw new TypeError(`run: no path for "${decision.variant}" and none for "stable"; give at least stable`)
    return await timed(parts, { ...decision, variant: 'stable', randomised: false }, stable, options)
  }
  try {
    return await timed(parts, decision, path, options)
  } catch (error) {
    if (options?.fallback !== true || decision.variant === 'stable' || stable === undefined) throw error
    return await timed(parts, { ...decision, variant: 'stable', randomised: false }, stable, options)
  }
}

function pathOf<T>(paths: Paths<T>, variant: string): (() => T | Promise<T>) | undefined {
  return Object.hasOwn(paths, variant) ? paths[variant] : undefined
}

async function timed<T>(
  parts: RunParts,
  decision: Decision,
  path: () => T | Promise<T>,
  options: RunOptions | undefined,
): Promise<T> {
  const began = parts.monotonic()
  let result: T
  try {
    result = await path()
  } catch (error) {
    parts.outcome(decision, { ok: false, latencyMs: parts.monotonic() - began, ...kindOf(error, options) })
    throw error
  }
  const latencyMs = parts.monotonic() - began
  const ok = judged(result, options)
  parts.outcome(decision, { ok, latencyMs, ...(ok ? {} : kindOf(result, options)) })
  return result
}

/** The application's own judgement of a result; one that throws counts as a failure of the use, not of the caller. */
function judged(result: unknown, options: RunOptions | undefined): boolean {
  if (options?.isOk === undefined) return true
  try {
    return options.isOk(result)
  } catch {
    return false
  }
}

/** The application's own word for a failure; one that throws says none. */
function kindOf(failure: unknown, options: RunOptions | undefined): Pick<Outcome, 'kind'> {
  try {
    const kind = options?.kindOf?.(failure)
    return kind === undefined ? {} : { kind }
  } catch {
    return {}
  }
}
