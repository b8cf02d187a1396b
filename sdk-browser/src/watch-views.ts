import type { Decision } from '@pipit/shared/decide'
import type { PageClientOptions } from './api.ts'

/**
 * Judges each view of the page once for each rollout and epoch that was decided in it. An error outside every `run` is a failure of the
 * page and not of a call; stable's views count as well as the canary's, because failures alone compare with nothing.
 */
export function watchViews(
  { watchErrors }: PageClientOptions,
  decisions: ReadonlyMap<string, Decision>,
  tell: (decision: Decision, ok: boolean) => void,
): (ok: boolean) => void {
  const judged = new Set<string>()
  return (ok) => {
    for (const decision of decisions.values()) {
      const { rollout, epoch } = decision
      const view = `${rollout} ${epoch}`
      if (judged.has(view) || !watchErrors || (watchErrors !== true && watchErrors.rollout !== rollout)) continue
      judged.add(view)
      tell(decision, ok)
    }
  }
}
