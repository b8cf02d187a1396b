import type { CompiledRollout, CompiledRuleset } from '../decide/index.ts'
import { unitHash } from '../hash/index.ts'
import { isSampled } from './sample.ts'

export interface EventUnits {
  /** The unit that the event's user is to a rollout that counts the event; undefined where it is none, or the rollout is not asked. */
  readonly unitOf: (rollout: CompiledRollout) => string | undefined
  /** The event names what it is of by itself, whatever rollouts assign. */
  readonly isNamed?: boolean
}

/**
 * An event as it is reported: once for each unit that its user is to the rollouts that count it. An id counts once, so that what is told again for
 * another unit gets one of its own, the same in every process: of a unit that is several things to several rollouts the first by name, whatever the
 * order of the rollouts.
 */
export function eventByUnit<E extends { readonly event: string; readonly id?: string | undefined }>(
  event: E,
  { ruleset, rollouts }: CompiledRuleset,
  { unitOf, isNamed = false }: EventUnits,
): (E & { readonly unit: string })[] {
  const units = new Map<string, string>()
  for (const rollout of rollouts.values()) {
    const { events, unitSample, unit: assigned } = rollout.source
    if (events?.includes(event.event) !== true) continue
    const unit = unitOf(rollout)
    if (unit === undefined) continue
    const hash = unitHash(ruleset.unitSalt, unit)
    if (unitSample !== undefined && !isSampled(unitSample, hash)) continue
    const what = isNamed || rollout.units === undefined ? '' : String(assigned)
    const known = units.get(hash)
    if (known === undefined || what < known) units.set(hash, what)
  }
  const { id } = event
  return [...units].map(([unit, what]) => ({
    ...event,
    unit,
    ...(id === undefined || what === '' ? {} : { id: unitHash(id, what) }),
  }))
}
