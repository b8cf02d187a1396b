import {
  count,
  Fault,
  finite,
  type JsonRecord,
  list,
  optionalCount,
  optionalText,
  own,
  record,
  text,
  unitHex,
} from './check.ts'
import {
  type BreakerState,
  type DroppedCounts,
  type EventItem,
  type ExposureCell,
  type OutcomeCell,
  type Report,
  wireLimits,
} from './messages.ts'
import { decodeRows } from './outcome-text.ts'
import { readKinds, readSlice, readSlices } from './parse-slices.ts'

/** Characters of a cell's rows: a gap and a number of the longest text in each of 19 parts and 256 buckets. */
const maxRowsText = 19 * 256 * 22

/** Checks a report and returns it with known fields only. Throws `Fault`. */
export function readReport(source: JsonRecord): Report {
  const outcomes = list(source, 'outcomes', '', wireLimits.outcomeCells)?.map((cell, i) =>
    readOutcome(cell, `outcomes[${i}]`),
  )
  const exposures = list(source, 'exposures', '', wireLimits.exposureUnits)?.map((cell, i) =>
    readExposure(cell, `exposures[${i}]`),
  )
  const units = exposures?.reduce((sum, cell) => sum + cell.units.length, 0) ?? 0
  if (units > wireLimits.exposureUnits) {
    throw new Fault('exposures', `has ${units} units; at most ${wireLimits.exposureUnits} are taken at once`)
  }
  const events = list(source, 'events', '', wireLimits.events)?.map((item, i) => readEvent(item, `events[${i}]`))
  const breakers = list(source, 'breakers', '', wireLimits.breakers)?.map((item, i) =>
    readBreaker(item, `breakers[${i}]`),
  )
  const dropped = own(source, 'dropped')
  return {
    type: 'report',
    seq: count(source, 'seq', '', 1),
    ...(outcomes === undefined ? {} : { outcomes }),
    ...(exposures === undefined ? {} : { exposures }),
    ...(events === undefined ? {} : { events }),
    ...(breakers === undefined ? {} : { breakers }),
    ...(dropped === undefined ? {} : { dropped: readDropped(record(dropped, 'dropped'), 'dropped') }),
  }
}

function cellHead(source: JsonRecord, path: string): Pick<OutcomeCell, 'rollout' | 'epoch' | 'variant' | 'stratum'> {
  const stratum = text(source, 'stratum', path, 160)
  if (stratum !== 'split' && stratum !== 'forced' && !stratum.startsWith('rule:')) {
    throw new Fault(`${path}.stratum`, 'must be split, forced or rule:<name>')
  }
  return {
    rollout: text(source, 'rollout', path),
    epoch: count(source, 'epoch', path, 0),
    variant: text(source, 'variant', path),
    stratum,
  }
}

function readOutcome(value: unknown, path: string): OutcomeCell {
  const source = record(value, path)
  const rows = decodeRows(text(source, 'buckets', path, maxRowsText), `${path}.buckets`)
  const latency = optionalText(source, 'latency', path, 24 * 1024)
  const kinds = own(source, 'kinds')
  const slices = own(source, 'slices')
  return {
    ...cellHead(source, path),
    thresholds: count(source, 'thresholds', path),
    ...rows,
    ...(latency === undefined ? {} : { latency }),
    ...(kinds === undefined ? {} : { kinds: readKinds(record(kinds, `${path}.kinds`), rows, path) }),
    ...(slices === undefined ? {} : { slices: readSlices(record(slices, `${path}.slices`), rows.columns, path) }),
  }
}

function readExposure(value: unknown, path: string): ExposureCell {
  const source = record(value, path)
  const slice = own(source, 'slice')
  const units = list(source, 'units', path, wireLimits.exposureUnits)
  if (units === undefined || units.length === 0)
    throw new Fault(`${path}.units`, 'must be a list of at least one unit hash')
  return {
    ...cellHead(source, path),
    reason: text(source, 'reason', path, 32),
    units: units.map((unit, i) => unitHex(unit, `${path}.units[${i}]`)),
    ...(slice === undefined ? {} : { slice: readSlice(record(slice, `${path}.slice`), path) }),
  }
}

function readEvent(value: unknown, path: string): EventItem {
  const source = record(value, path)
  const unit = unitHex(own(source, 'unit'), `${path}.unit`)
  return { ...readEventOfNobody(source, path), unit }
}

/** An event without its unit. Throws `Fault`. */
export function readEventOfNobody(source: JsonRecord, path: string): Omit<EventItem, 'unit'> {
  const id = optionalText(source, 'id', path)
  return {
    event: text(source, 'event', path),
    ageMs: finite(source, 'ageMs', path, 0, 1e12),
    ...(own(source, 'value') === undefined ? {} : { value: finite(source, 'value', path, -1e15, 1e15) }),
    ...(id === undefined ? {} : { id }),
  }
}

function readTally(value: unknown, path: string): { n: number; failed: number } {
  const source = record(value, path)
  const tally = { n: count(source, 'n', path), failed: count(source, 'failed', path) }
  if (tally.failed > tally.n) throw new Fault(`${path}.failed`, 'must not be more than n')
  return tally
}

function readBreaker(value: unknown, path: string): BreakerState {
  const source = record(value, path)
  return {
    rollout: text(source, 'rollout', path),
    epoch: count(source, 'epoch', path),
    canary: readTally(own(source, 'canary'), `${path}.canary`),
    stable: readTally(own(source, 'stable'), `${path}.stable`),
  }
}

/** Throws `Fault`. */
export function readDropped(source: JsonRecord, path: string): DroppedCounts {
  const counts: { [kind: string]: number } = {}
  for (const kind of ['outcomes', 'exposures', 'events', 'unknownOperators', 'invalid', 'reports']) {
    const value = optionalCount(source, kind, path)
    if (value !== undefined) counts[kind] = value
  }
  return counts
}
