import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type TimeWindow, weekdays } from './model.ts'
import { compileTimeWindow } from './time-window.ts'
import { validateTimeWindow } from './validate-time-window.ts'

const holds = (window: TimeWindow, iso: string): boolean | undefined => compileTimeWindow(window)?.(Date.parse(iso))

const zones = ['UTC', 'Europe/Amsterdam', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia']
const time = fc
  .tuple(fc.nat(23), fc.nat(59))
  .map(([hours, minutes]) => `${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`)
const window: fc.Arbitrary<TimeWindow> = fc
  .record({ zone: fc.constantFrom(...zones), days: fc.subarray([...weekdays], { minLength: 1 }), from: time, to: time })
  .filter(({ from, to }) => from !== to)

describe('a window of time', () => {
  const office: TimeWindow = {
    zone: 'Europe/Amsterdam',
    days: ['mon', 'tue', 'wed', 'thu', 'fri'],
    from: '09:00',
    to: '17:00',
  }
  const night: TimeWindow = { zone: 'Europe/Amsterdam', days: ['fri'], from: '22:00', to: '06:00' }
  const small: TimeWindow = { zone: 'Europe/Amsterdam', from: '02:15', to: '02:45' }
  it.each<[string, TimeWindow, string, boolean]>([
    ['begins with its first minute', office, '2026-03-02T09:00:00+01:00', true],
    ['not before', office, '2026-03-02T08:59:59+01:00', false],
    ['ends before its last', office, '2026-03-02T17:00:00+01:00', false],
    ['not on other days', office, '2026-03-01T12:00:00+01:00', false],
    ['follows summer time', office, '2026-07-01T09:00:00+02:00', true],
    ['and not the clock of winter', office, '2026-07-01T17:30:00+02:00', false],
    ['over midnight: before it', night, '2026-03-06T23:00:00+01:00', true],
    ['over midnight: the day after is the evening before', night, '2026-03-07T05:59:00+01:00', true],
    ['over midnight: not the evening after', night, '2026-03-07T23:00:00+01:00', false],
    ['over midnight: not the morning of its day', night, '2026-03-06T05:00:00+01:00', false],
    ['from alone lasts to midnight', { zone: 'UTC', from: '18:00' }, '2026-03-06T23:59:59Z', true],
    ['from alone ends there', { zone: 'UTC', from: '18:00' }, '2026-03-07T00:00:00Z', false],
    ['to alone begins at midnight', { zone: 'UTC', to: '06:00' }, '2026-03-07T00:00:00Z', true],
    ['up to midnight', { zone: 'UTC', from: '18:00', to: '00:00', days: ['fri'] }, '2026-03-06T20:00:00Z', true],
    ['days alone are whole', { zone: 'Pacific/Apia', days: ['sat'] }, '2026-03-06T11:00:00Z', true],
    ['an hour left out does not come', small, '2026-03-29T02:30:00+01:00', false],
    ['an hour repeated comes twice: summer', small, '2026-10-25T02:30:00+02:00', true],
    ['an hour repeated comes twice: winter', small, '2026-10-25T02:30:00+01:00', true],
    ['before 1970', { zone: 'UTC', from: '23:00' }, '1969-12-31T23:30:00Z', true],
  ])('%s', (_name, wanted, at, expected) => {
    expect(holds(wanted, at)).toBe(expected)
  })

  it('agrees with the calendar of the zone at any instant', () => {
    const around = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2030, 0) })
    fc.assert(
      fc.property(window, fc.array(around, { minLength: 1, maxLength: 20 }), (wanted, instants) => {
        const test = compileTimeWindow(wanted)
        for (const now of instants) {
          const [date = '', clock = ''] = new Date(now).toLocaleString('sv-SE', { timeZone: wanted.zone }).split(' ')
          const at = clock.slice(0, 5)
          const { from = '', to = '', days = [] } = wanted
          const yesterday = from > to && at < to
          const day = new Date(`${date}T00:00:00Z`).getTime() - (yesterday ? 86_400_000 : 0)
          const inside = from < to ? at >= from && at < to : at >= from || at < to
          const weekday = weekdays[(new Date(day).getUTCDay() + 6) % 7] as (typeof weekdays)[number]
          expect(test?.(now), new Date(now).toISOString()).toBe(inside && days.includes(weekday))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is taken and compiles, or is refused and does not', () => {
    const any = fc.record(
      {
        zone: fc.constantFrom(...zones, 'Mars/Olympus', '+01:00', ''),
        days: fc.oneof(fc.subarray([...weekdays]), fc.constantFrom('mon', ['mon', 'mon'], ['monday'])),
        from: fc.oneof(time, fc.constantFrom('9:00', '24:00', 5)),
        to: fc.oneof(time, fc.constantFrom('09:60', '00:00')),
        until: fc.constant('x'),
      },
      { requiredKeys: ['zone'] },
    )
    fc.assert(
      fc.property(any, (wanted) => {
        const always = Object.keys(wanted).length === 1
        const taken = validateTimeWindow(wanted, 'time').length === 0
        expect(compileTimeWindow(wanted as TimeWindow) !== undefined && !always).toBe(taken)
      }),
    )
  })
})

describe('windows of time that are refused', () => {
  it.each<[unknown, string, string]>([
    [
      '09:00-17:00',
      'time',
      'must be an object such as { "zone": "Europe/Amsterdam", "days": ["mon", "fri"], "from": "09:00", "to": "17:00" }',
    ],
    [
      { zone: 'Europe/Amsterdm', from: '09:00' },
      'time.zone',
      '"Europe/Amsterdm" is no time zone; did you mean "Europe/Amsterdam"?',
    ],
    [{ zone: '+01:00', from: '09:00' }, 'time.zone', '"+01:00" is no time zone; write such as "Europe/Amsterdam"'],
    [{ from: '09:00' }, 'time.zone', 'must be a time zone such as "Europe/Amsterdam" or "UTC"'],
    [{ zone: 'UTC' }, 'time', 'names no days and no time of day, so it would always hold; add days, from or to'],
    [{ zone: 'UTC', days: ['monday'] }, 'time.days', 'must be a list of days, of mon, tue, wed, thu, fri, sat, sun'],
    [{ zone: 'UTC', from: '9:00' }, 'time.from', 'must be a time of day from "00:00" to "23:59"'],
    [
      { zone: 'UTC', from: '09:00', to: '09:00' },
      'time.to',
      'is when the window begins, "09:00"; leave out both for the whole day',
    ],
    [
      { zone: 'UTC', from: '09:00', till: '10:00' },
      'time.till',
      'is not known; a window of time has zone, days, from, to',
    ],
  ])('%j', (value, path, message) => {
    expect(validateTimeWindow(value, 'time')).toEqual([{ path, message }])
  })
})
