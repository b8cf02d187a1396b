/**
 * A metric's own history in one arm, in constant memory: is it as it was, has it shifted, does it drift, was there a spike? For people, and to
 * tell an incident of both arms from a bad canary; never a part of the comparison.
 */
export interface Trend {
  /** Exponentially weighted rates of ten minutes and of two hours of ticks, without the course of the day, with the weight behind each. */
  readonly recent: Average
  readonly usual: Average
  /** Over-dispersion of the residuals: traffic that comes in clusters is no shift. */
  readonly spread: number
  /** Page's cumulative sums (1954) of standardised residuals, upwards and downwards, with the ticks since each was 0 and their counts. */
  readonly up: Cumulated
  readonly down: Cumulated
  /** Ticks taken in. */
  readonly ticks: number
  /** The last finding, while it lasts. */
  readonly event?: TrendEvent
  /** Counts by hour of the day (UTC), earlier days counting half as much each, and the hour under way. */
  readonly hours: readonly Average[]
  readonly hour: number
}

interface Average {
  readonly x: number
  readonly n: number
}

interface Cumulated {
  readonly sum: number
  readonly since: number
  readonly x: number
  readonly n: number
}

export interface TrendEvent {
  readonly state: 'level-shift' | 'spike' | 'drift'
  /** Tick in which it began, by the epoch's own count of time. */
  readonly since: number
  readonly from: number
  readonly to: number
  /** Tick after which it is old news. */
  readonly until: number
}

const nothing: Cumulated = { sum: 0, since: 0, x: 0, n: 0 }
const empty: Average = { x: 0, n: 0 }
export const newTrend: Trend = {
  recent: empty,
  usual: empty,
  spread: 1,
  up: nothing,
  down: nothing,
  ticks: 0,
  hours: [],
  hour: -1,
}

/** Half-lives of the averages, in ticks: ten minutes and two hours of 5 s. */
const halfLife = { recent: 120, usual: 1440, spread: 60 } as const
/** Ticks before anything is said: the averages have to know something first. */
const learning = 60
/**
 * A shift is told at 12 standard errors cumulated beyond half of one a tick: a run length of some e¹³ ticks while nothing changes (Siegmund
 * 1985). A spike is one tick beyond 7, and five events.
 */
const shift = { slack: 0.5, bound: 12, lasts: 60 } as const
const spike = { bound: 7, events: 5, lasts: 12 } as const
/** A drift: ten minutes and two hours differ by this ratio and by this many standard errors. */
const drift = { ratio: 1.2, bound: 6, lasts: 12 } as const
const hoursOfDay = 24

function decay(average: Average, half: number, { x, n }: Average): Average {
  const keep = 0.5 ** (1 / half)
  return { x: average.x * keep + x, n: average.n * keep + n }
}

const rateOf = ({ x, n }: Average): number => (x + 0.5) / (n + 1)

/** Takes in a tick: `x` events of `n`. `at` is its start in epoch milliseconds. */
export function addTrendTick(trend: Trend, tick: number, at: number, { x, n }: Average): Trend {
  if (n === 0) return trend
  const hour = Math.floor(at / 3_600_000) % hoursOfDay
  const course = courseOfDay(trend.hours, hour)
  const expected = Math.min(rateOf(trend.recent) * course, 1 - 1e-9)
  const residual = (x - expected * n) / Math.sqrt(Math.max(expected * (1 - expected) * n, 0.25))
  const standard = residual / Math.sqrt(trend.spread)
  const isKnown = trend.ticks >= learning
  const up = isKnown ? cumulate(trend.up, standard, tick, x, n) : nothing
  const down = isKnown ? cumulate(trend.down, -standard, tick, x, n) : nothing
  const moment = { tick, expected, standard, up, down, rate: x / n, n }
  const told = isKnown ? eventOf(trend, moment) : undefined
  const isShift = told?.state === 'level-shift'
  const side = isShift && told.to > told.from ? up : down
  const hours = addHour(trend, hour, x, n)
  // When the first whole day is known, the averages are rid of its course.
  const rescale = course === 1 ? 1 / courseOfDay(hours, hour) : 1
  const plain = { x: x / course, n }
  const lasting = trend.event !== undefined && trend.event.until >= tick ? trend.event : undefined
  const event = told ?? lasting
  const { event: _before, ...rest } = trend
  return {
    ...rest,
    // After a shift the new level is learned from where it began.
    recent: scaled(isShift ? { x: side.x, n: side.n } : decay(trend.recent, halfLife.recent, plain), rescale),
    usual: scaled(decay(trend.usual, halfLife.usual, plain), rescale),
    spread: trend.ticks > 0 ? spreadAfter(trend.spread, residual) : 1,
    up: isShift ? nothing : up,
    down: isShift ? nothing : down,
    ticks: trend.ticks + 1,
    hours,
    hour,
    ...(event === undefined ? {} : { event }),
  }
}

const scaled = ({ x, n }: Average, factor: number): Average => ({ x: x * factor, n })

/** What is out of the ordinary does not become ordinary by itself: a residual counts up to four times the usual. */
function spreadAfter(spread: number, residual: number): number {
  const keep = 0.5 ** (1 / halfLife.spread)
  return Math.max(1, spread * keep + Math.min(residual * residual, 16 * spread) * (1 - keep))
}

function cumulate(before: Cumulated, standard: number, tick: number, x: number, n: number): Cumulated {
  const sum = Math.max(0, before.sum + standard - shift.slack)
  if (sum === 0) return nothing
  return { sum, since: before.sum === 0 ? tick : before.since, x: before.x + x, n: before.n + n }
}

interface Moment {
  readonly tick: number
  readonly expected: number
  readonly standard: number
  readonly up: Cumulated
  readonly down: Cumulated
  readonly rate: number
  readonly n: number
}

function eventOf(trend: Trend, { tick, expected, standard, up, down, rate, n }: Moment): TrendEvent | undefined {
  for (const side of [up, down]) {
    if (side.sum < shift.bound) continue
    // One tick alone is a spike, whatever it sums up to.
    if (side.since === tick) break
    const state = 'level-shift' as const
    return { state, since: side.since, from: expected, to: side.x / side.n, until: tick + shift.lasts }
  }
  if (Math.abs(standard) >= spike.bound && Math.abs(rate - expected) * n >= spike.events)
    return { state: 'spike', since: tick, from: expected, to: rate, until: tick + spike.lasts }
  if (trend.event?.state === 'level-shift' && trend.event.until >= tick) return undefined
  return driftOf(trend, tick)
}

function driftOf({ recent, usual, spread }: Trend, tick: number): TrendEvent | undefined {
  const now = rateOf(recent)
  const before = rateOf(usual)
  const ratio = Math.max(now / before, before / now)
  const error = Math.sqrt((spread * before * (1 - before)) / Math.max(recent.n, 1))
  if (ratio < drift.ratio || Math.abs(now - before) < drift.bound * error) return undefined
  return { state: 'drift', since: tick - halfLife.recent, from: before, to: now, until: tick + drift.lasts }
}

/** The rate of an hour relative to that of the day; 1 until every hour has been seen. */
function courseOfDay(hours: readonly Average[], hour: number): number {
  const own = hours[hour]
  if (own === undefined || hours.some(({ n }) => n === 0)) return 1
  const day = hours.reduce((sum, { x, n }) => ({ x: sum.x + x, n: sum.n + n }), empty)
  return rateOf(own) / rateOf(day)
}

function addHour({ hours, hour: before }: Trend, hour: number, x: number, n: number): readonly Average[] {
  const slots = hours.length === hoursOfDay ? [...hours] : Array.from({ length: hoursOfDay }, () => empty)
  const slot = slots[hour] as Average
  const kept = before === hour ? 1 : 0.5
  slots[hour] = { x: slot.x * kept + x, n: slot.n * kept + n }
  return slots
}

/** Where a trend stands, for people. */
export interface TrendView {
  readonly state: 'steady' | TrendEvent['state']
  readonly since?: number
  readonly from?: number
  readonly to?: number
}

/** `tickMs` turns ticks into epoch milliseconds. */
export function trendView({ event }: Trend, tickMs: number): TrendView {
  if (event === undefined) return { state: 'steady' }
  return { state: event.state, since: event.since * tickMs, from: event.from, to: event.to }
}
