import type { PageRollout, PageRuleset, PatchMessage } from '@pipit/shared/protocol'

const all = (type: string, ...values: readonly unknown[]): boolean => values.every((value) => typeof value === type)

const noResult = { variant: '', reason: '' }
const noThresholds = { version: 0, ms: [] }

function isRollout(rollout: PageRollout): boolean {
  const { phase, salt, hash, epoch, weight, variants, deadmanMs = 0, winner = '' } = rollout
  const { deal = [], events = [], slices = [], result = noResult, thresholds = noThresholds } = rollout
  const names = variants.map(({ name }) => name)
  const dealt = deal.map(([arm]) => arm)
  return (
    // A version of the hash that this client does not know would put people elsewhere.
    hash === 1 &&
    all('number', epoch, weight, deadmanMs, thresholds.version, ...thresholds.ms) &&
    all('string', phase, salt, winner, result.variant, result.reason, ...names, ...dealt, ...events, ...slices)
  )
}

/** A ruleset of which every part that is used has the right shape. Throws otherwise, whatever the value is. */
export function readRuleset(value: unknown): PageRuleset {
  const { version, rollouts } = value as PageRuleset
  if (all('number', version) && all('object', rollouts) && Object.values(rollouts).every(isRollout))
    return { version, rollouts }
  throw new TypeError('no ruleset')
}

/** The ruleset after a patch. Throws where the patch does not fit: another starting version, or a wrong shape. */
export function patched(ruleset: PageRuleset | undefined, patch: PatchMessage): PageRuleset {
  const next: { [key: string]: { [field: string]: unknown } } = { ...(ruleset?.rollouts as object) }
  for (const [key, fields] of Object.entries(patch.rollouts ?? {})) {
    const rollout = { ...next[key], ...fields } as { [field: string]: unknown }
    for (const field of Object.keys(rollout)) if (rollout[field] === null) delete rollout[field]
    next[key] = rollout
  }
  for (const key of patch.removed?.rollouts ?? []) delete next[key]
  return readRuleset(patch.from === ruleset?.version && { version: patch.version, rollouts: next })
}

type Rollouts = PageRuleset['rollouts']

/** The keys of rollouts that are not as before. */
export const changes = (before: Rollouts, after: Rollouts): readonly string[] =>
  Object.keys({ ...before, ...after }).filter((of) => JSON.stringify(before[of]) !== JSON.stringify(after[of]))
