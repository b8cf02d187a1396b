import { movements, progressOf, type RolloutDefinition, type RolloutState } from '../rollout/index.ts'
import type { RolloutRecord, Stores } from '../storage/ports.ts'
import type { Preview } from './api.ts'
import { type Moved, place } from './record-change.ts'

/** What a transition would do to a rollout and to the units it deals out. */
export async function previewOf(
  stores: Stores,
  record: RolloutRecord,
  definition: RolloutDefinition,
  moved: Moved | { readonly state: RolloutState; readonly unchanged: true },
): Promise<Preview> {
  const after = { definition, state: moved.state }
  const epochOf = (state: RolloutState) => progressOf(state)?.epoch
  const judgement = (await stores.judge.get(record.id))?.judgement
  const seen =
    judgement !== undefined && judgement.epoch === epochOf(record.state)
      ? judgement.units.canary + judgement.units.stable
      : 0
  const moves = movements(record, after).map((movement) => ({
    ...movement,
    units: Math.round((seen * movement.share) / 100),
  }))
  const share = moves.reduce((sum, movement) => sum + movement.share, 0)
  return {
    before: place(record),
    after: place(after),
    summary: 'summary' in moved ? moved.summary : 'nothing would change',
    newEpoch: epochOf(record.state) !== epochOf(moved.state),
    moves,
    moved: { share: Math.round(share * 1e6) / 1e6, units: Math.round((seen * share) / 100) },
  }
}
