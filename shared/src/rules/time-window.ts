import { type TimeWindow, type Weekday, weekdays } from './model.ts'

export const timeWindowFields: readonly string[] = ['zone', 'days', 'from', 'to']
const clockTime = /^(?:[01]\d|2[0-3]):[0-5]\d$/
const dayMinutes = 1440

/** Minutes since midnight of `HH:MM`. */
const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))

/** Whether it is a time of day, `HH:MM`. */
export const isClockTime = (value: unknown): value is string => typeof value === 'string' && clockTime.test(value)

/** Whether it is a list of different days. */
export const isDays = (value: unknown): value is readonly Weekday[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((day) => weekdays.includes(day)) &&
  new Set(value).size === value.length

/** Whether it names a zone that is known here. Offsets such as `+01:00` are none: they know no summer, and old platforms not them. */
export const isZone = (value: unknown): boolean =>
  typeof value === 'string' && /^[A-Za-z]/.test(value) && formatOf(value) !== undefined

/**
 * Compiles a window of wall-clock time into a test of an instant in epoch milliseconds. What the clock on the wall shows decides: an hour
 * that is left out in spring never comes, one that is repeated in autumn counts twice. Undefined for a window or a zone that is none here.
 */
export function compileTimeWindow(window: TimeWindow): ((now: number) => boolean) | undefined {
  const format = isUnderstood(window) ? formatOf(window.zone) : undefined
  if (format === undefined) return undefined
  const from = window.from === undefined ? 0 : minutesOf(window.from)
  const to = window.to === undefined ? dayMinutes : minutesOf(window.to)
  const days = window.days && new Set<number>(window.days.map((day) => weekdays.indexOf(day)))
  if (from === to) return undefined
  const holds = (now: number): boolean => {
    const { day, minute } = wallClock(format, now)
    const wraps = to <= from
    const inside = wraps ? minute >= from || minute < to : minute >= from && minute < to
    // Behind midnight the window is the one that began the day before.
    const began = wraps && minute < to ? (day + 6) % 7 : day
    return inside && (days === undefined || days.has(began))
  }
  // Windows begin and end with a minute, and zones are whole minutes from UTC: one answer a minute.
  let lastMinute = Number.NaN
  let last = false
  return (now) => {
    const minute = Math.floor(now / 60_000)
    if (minute !== lastMinute) {
      last = holds(now)
      lastMinute = minute
    }
    return last
  }
}

const isUnderstood = ({ zone, days, from, to, ...rest }: TimeWindow): boolean =>
  Object.keys(rest).length === 0 &&
  isZone(zone) &&
  (days === undefined || isDays(days)) &&
  (from === undefined || isClockTime(from)) &&
  (to === undefined || isClockTime(to))

/** What the clocks of a zone show: the day of the week from Monday, 0, and the minutes since midnight. */
function wallClock(format: Intl.DateTimeFormat, now: number): { readonly day: number; readonly minute: number } {
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]))
  const day = weekdays.indexOf(parts.get('weekday')?.toLowerCase() as Weekday)
  return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) }
}

/** Formats are dear to make, and zones are few. */
const formats = new Map<string, Intl.DateTimeFormat>()
const formatsLimit = 1000

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  const known = formats.get(timeZone)
  if (known !== undefined) return known
  try {
    const options = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
    const format = new Intl.DateTimeFormat('en-US', { timeZone, ...options })
    if (formats.size === formatsLimit) formats.clear()
    formats.set(timeZone, format)
    return format
  } catch {
    // There is no such zone here.
    return undefined
  }
}
