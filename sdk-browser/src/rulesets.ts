import type { PageRuleset } from '@pipit/shared/protocol'

/**
 * A ruleset of this form. Throws otherwise, whatever the value is. What is in a rollout is not looked at: where it is none that a server would
 * send, its users get stable.
 */
export function readRuleset(ruleset: PageRuleset): PageRuleset {
  const { version, rollouts } = ruleset
  // A version of the hash that this client does not know would put people elsewhere.
  if (typeof version !== 'number' || Object.values(rollouts).some(({ hash }) => hash !== 1)) throw version
  return ruleset
}

/** The ruleset that a `ruleset` or `patch` of the server's leads to. Throws for another starting version, or a wrong shape. */
export function nextRuleset(
  before: PageRuleset | undefined,
  message: { readonly [field: string]: unknown },
): PageRuleset {
  const { from, version, rollouts } = (message.ruleset ?? message) as PageRuleset & { readonly from?: number }
  // Another tab may have been told before. From version 0 there are no patches, and from a version to itself of other results.
  if (from && version < (before?.version as number) + +(from < version)) return before as PageRuleset
  if (from && from !== before?.version) throw from
  const next: { [key: string]: object } = { ...(from && before?.rollouts) }
  for (const key of Object.keys(rollouts)) next[key] = { ...next[key], ...rollouts[key] }
  return readRuleset({ version, rollouts: next as PageRuleset['rollouts'] })
}
