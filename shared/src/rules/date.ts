const isoDate =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?$/

/** Epoch numbers below are seconds (until the year 5138), those from here on milliseconds (from March 1973). */
const millisecondsFrom = 1e11
/** The Gregorian calendar repeats after 400 years; `Date.UTC` takes the years 0 to 99 for those of the last century. */
const cycleYears = 400
const cycleMs = 146_097 * 86_400_000

/**
 * Epoch milliseconds of an ISO 8601 date or date-time: `2026-03-01`, `2026-03-01T09:30Z`, `2026-03-01 09:30:00.5+01:00`. A date is its
 * midnight, and what names no zone is UTC. Undefined for anything else, 30 February included.
 */
export function parseIsoDate(text: string): number | undefined {
  const match = isoDate.exec(text)
  if (match === null) return undefined
  const part = (index: number): number => Number(match[index] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)]
  const offset = part(10) * 60 + part(11)
  if (hour > 23 || minute > 59 || second > 59 || part(10) > 23 || part(11) > 59) return undefined
  const midnight = Date.UTC(year + cycleYears, month - 1, day)
  const date = new Date(midnight)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const milliseconds = Math.floor(Number(`0.${match[7] ?? 0}`) * 1000)
  const wall = midnight - cycleMs + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds
  return wall - (match[9] === '-' ? -offset : offset) * 60_000
}

/** Epoch milliseconds of an attribute that is a time: an ISO text, a `Date`, or an epoch number in seconds or milliseconds. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === 'string') return parseIsoDate(value)
  const time = value instanceof Date ? value.getTime() : typeof value === 'number' ? epochMs(value) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** An epoch number as milliseconds. */
export const epochMs = (epoch: number): number => (Math.abs(epoch) < millisecondsFrom ? epoch * 1000 : epoch)
