import type { Report } from '@pipit/shared/protocol'

/** What an outcome cell costs to store, in exposures: its table of user buckets and its sketch are read, merged and written. */
const cellWeight = 20
/** An event has its id, its conversions and perhaps a place among those that wait. */
const eventWeight = 2

/** What a report costs to keep and to store, about: 1 is an exposed unit, some 10 µs and 50 bytes. */
export function reportWeight({ outcomes = [], exposures = [], events = [] }: Report): number {
  const units = exposures.reduce((sum, cell) => sum + cell.units.length, 0)
  return 1 + outcomes.length * cellWeight + units + events.length * eventWeight
}
