import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCohortIndex } from './cohort-index.ts'
import { compileCondition } from './condition.ts'
import { parseIsoDate, timeOf } from './date.ts'
import type { Condition } from './model.ts'

const holds = (condition: Condition, user: object): boolean =>
  compileCondition(condition, createCohortIndex({}))?.(user as never) ?? false

describe('a date as text', () => {
  it.each<[string, string]>([
    ['2026-03-01', '2026-03-01T00:00:00.000Z'],
    ['2026-03-01T09:30', '2026-03-01T09:30:00.000Z'],
    ['2026-03-01 09:30:15', '2026-03-01T09:30:15.000Z'],
    ['2026-03-01T09:30:15.5Z', '2026-03-01T09:30:15.500Z'],
    ['2026-03-01T09:30:15.123456789z', '2026-03-01T09:30:15.123Z'],
    ['2026-03-01T00:30:00+01:00', '2026-02-28T23:30:00.000Z'],
    ['2026-03-01T00:30:00-0130', '2026-03-01T02:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['1969-12-31T23:59:59Z', '1969-12-31T23:59:59.000Z'],
    ['0050-01-01', '0050-01-01T00:00:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(new Date(parseIsoDate(text) ?? Number.NaN).toISOString()).toBe(expected)
  })

  it.each([
    '',
    '2026',
    '2026-03',
    '2026-3-1',
    '2026-02-30',
    '2025-02-29',
    '2026-00-01',
    '2026-13-01',
    '2026-01-00',
    '2026-03-01T24:00',
    '2026-03-01T09:60',
    '2026-03-01T09',
    '2026-03-01T09:30:60',
    '2026-03-01T09:30+24:00',
    '2026-03-01T09:30 CET',
    '2026-03-01Z',
    ' 2026-03-01',
    '20260301',
    'yesterday',
    '2026-03-01T09:30:15.',
  ])('%j is none', (text) => {
    expect(parseIsoDate(text)).toBeUndefined()
  })

  it('is read as the language reads it, in every zone and year', () => {
    const range = { min: new Date('0000-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true }
    fc.assert(
      fc.property(fc.date(range), fc.integer({ min: -839, max: 839 }), (date, offset) => {
        const wall = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1)
        const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60]
        const zone = `${offset < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`
        expect(parseIsoDate(wall + zone)).toBe(date.getTime())
        expect(parseIsoDate(date.toISOString())).toBe(Date.parse(date.toISOString()))
      }),
    )
  })
})

describe('the time of an attribute', () => {
  it.each<[unknown, number | undefined]>([
    [1_700_000_000, 1_700_000_000_000],
    [1_700_000_000_000, 1_700_000_000_000],
    [-86_400, -86_400_000],
    [0, 0],
    [99_999_999_999, 99_999_999_999_000],
    [100_000_000_000, 100_000_000_000],
    [new Date(5), 5],
    [new Date(Number.NaN), undefined],
    [Number.NaN, undefined],
    ['1700000000', undefined],
    [true, undefined],
    [undefined, undefined],
    [{}, undefined],
  ])('%s', (value, expected) => {
    expect(timeOf(value)).toBe(expected)
  })
})

describe('an order against a date', () => {
  const since = { since: { $gte: '2026-03-01' } }
  it.each<[Condition, object, boolean]>([
    [since, { since: '2026-03-01T00:00:00+00:00' }, true],
    [since, { since: '2026-03-01T00:30:00+01:00' }, false],
    [since, { since: new Date('2026-03-02') }, true],
    [since, { since: Date.UTC(2026, 1, 28) }, false],
    [since, { since: Date.UTC(2026, 2, 1) / 1000 }, true],
    [since, { since: ['2020-01-01', '2027-01-01'] }, true],
    [since, { since: 'yes' }, false],
    [since, {}, false],
    [{ since: { $lt: '2026-03-01' } }, {}, false],
    [{ since: { $not: { $lt: '2026-03-01' } } }, {}, true],
    [{ since: { $gt: '2026-03-01T12:00Z', $lte: '2026-03-01T13:00Z' } }, { since: '2026-03-01T14:00+01:00' }, true],
    [{ 'orders.at': { $gt: '2026-01-01' } }, { orders: [{ at: '2025-01-01' }, { at: 1_780_000_000 }] }, true],
    [{ since: { $gt: 1_700_000_000 } }, { since: new Date(1_700_000_000_001) }, true],
    [{ since: { $gt: 1_700_000_000_000 } }, { since: new Date(1_700_000_000_000) }, false],
    [{ since: { $gt: 'a' } }, { since: new Date() }, false],
  ])('%j of %j is %s', (condition, user, expected) => {
    expect(holds(condition, user)).toBe(expected)
  })

  it('leaves equality, and texts that are no dates, as they are', () => {
    expect(holds({ since: '2026-03-01' }, { since: '2026-03-01T00:00:00Z' })).toBe(false)
    expect(holds({ since: { $eq: '2026-03-01' } }, { since: '2026-03-01' })).toBe(true)
    expect(holds({ word: { $gt: '2026-3-1' } }, { word: '2026-3-2' })).toBe(true)
  })
})
