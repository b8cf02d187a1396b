import type { Issue } from '@pipit/shared/base'
import { parseDuration } from '@pipit/shared/clock'
import { nearest } from '@pipit/shared/rules'
import { defaultRetentionLimits, type RetentionLimits } from './engine/index.ts'
import { defaultIngestLimits, type IngestLimits } from './ingest/index.ts'
import { defaultLimits, type HubLimits } from './push/index.ts'

/** What the HTTP server bears with: a client that sends slowly, or not at all, holds a connection no longer than this. */
export interface HttpLimits {
  /** For the head of a request to come. */
  readonly requestHeadMs: number
  /** For the whole of a request to come, its body included. */
  readonly requestMs: number
  /** Connections, sockets included; beyond, new ones are closed unread. */
  readonly maxConnections: number
}

export const defaultHttpLimits: HttpLimits = {
  requestHeadMs: 10_000,
  requestMs: 60_000,
  maxConnections: 25_000,
}

export type Limits = HttpLimits & HubLimits & IngestLimits & RetentionLimits

/** Whoever runs a server may set any of these, by PIPIT_LIMITS. */
export const allDefaults: Limits = {
  ...defaultHttpLimits,
  ...defaultLimits,
  ...defaultIngestLimits,
  ...defaultRetentionLimits,
}

/** Timers of JavaScript end at once beyond this. */
const longestTimerMs = 2 ** 31 - 1

export type LimitsResult =
  | { readonly ok: true; readonly limits: Partial<Limits> }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/** Reads `maxSockets=30000,slowMs=10s`: whole numbers from 1; names that end in `Ms` take durations as well. */
export function parseLimits(text: string): LimitsResult {
  const issues: Issue[] = []
  const limits: { [name: string]: number } = {}
  for (const item of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const [name = '', given = ''] = item.split('=')
    const value = readValue(name, item.slice(name.length + 1))
    if (!Object.hasOwn(allDefaults, name)) issues.push({ path: `PIPIT_LIMITS ${name}`, message: unknownName(name) })
    else if (Object.hasOwn(limits, name)) issues.push({ path: `PIPIT_LIMITS ${name}`, message: 'is given twice' })
    else if (value === undefined) issues.push({ path: `PIPIT_LIMITS ${name}`, message: wrongValue(name, given) })
    else limits[name] = value
  }
  return issues.length === 0 ? { ok: true, limits } : { ok: false, issues }
}

function readValue(name: string, text: string): number | undefined {
  const isTime = name.endsWith('Ms')
  const value = /^\d{1,15}$/.test(text) ? Number(text) : isTime ? parseDuration(text) : undefined
  const most = isTime ? longestTimerMs : Number.MAX_SAFE_INTEGER
  return value !== undefined && value >= 1 && value <= most ? value : undefined
}

function wrongValue(name: string, given: string): string {
  const wanted = name.endsWith('Ms')
    ? 'milliseconds or a duration from 1ms to 24d, such as 1500 or 30s'
    : 'a whole number from 1'
  return `must be ${wanted}; it is "${given}"`
}

function unknownName(name: string): string {
  const names = Object.keys(allDefaults)
  const meant = nearest(name, names)
  return `is no limit; ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`}`
}
