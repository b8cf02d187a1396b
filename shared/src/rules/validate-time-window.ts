import type { Issue } from '../base/index.ts'
import { weekdays } from './model.ts'
import { nearest } from './nearest.ts'
import { isClockTime, isDays, isZone, timeWindowFields } from './time-window.ts'

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every fault of a window, with its path. */
export function validateTimeWindow(value: unknown, path: string): Issue[] {
  const example = '{ "zone": "Europe/Amsterdam", "days": ["mon", "fri"], "from": "09:00", "to": "17:00" }'
  if (!isRecord(value)) return [{ path, message: `must be an object such as ${example}` }]
  const issues: Issue[] = []
  const add = (field: string, message: string | undefined): void => {
    if (message !== undefined) issues.push({ path: `${path}.${field}`, message })
  }
  for (const field of Object.keys(value)) {
    if (!timeWindowFields.includes(field))
      add(field, `is not known; a window of time has ${timeWindowFields.join(', ')}`)
  }
  const { zone, days, from, to } = value
  add('zone', zoneFault(zone))
  if (days !== undefined && !isDays(days)) add('days', `must be a list of days, of ${weekdays.join(', ')}`)
  for (const [field, text] of Object.entries({ from, to })) {
    if (text === undefined || isClockTime(text)) continue
    add(field, 'must be a time of day from "00:00" to "23:59"')
  }
  if (days === undefined && from === undefined && to === undefined) {
    issues.push({ path, message: 'names no days and no time of day, so it would always hold; add days, from or to' })
  }
  if ((from ?? '00:00') === to) add('to', `is when the window begins, "${to}"; leave out both for the whole day`)
  return issues
}

function zoneFault(zone: unknown): string | undefined {
  if (typeof zone !== 'string') return 'must be a time zone such as "Europe/Amsterdam" or "UTC"'
  if (isZone(zone)) return undefined
  const name = zone.slice(0, 64)
  const meant = nearest(name, ['UTC', ...Intl.supportedValuesOf('timeZone')])
  return `"${name}" is no time zone${meant === undefined ? '; write such as "Europe/Amsterdam"' : `; did you mean "${meant}"?`}`
}
