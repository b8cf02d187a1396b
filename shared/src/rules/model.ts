import type { JsonValue } from '../base/index.ts'
import type { MemberList } from './member-list.ts'

/** A predicate on a user's attributes in MongoDB query form, e.g. `{ "plan": { "$in": ["beta"] } }`. */
export type Condition = { readonly [key: string]: JsonValue }

export const phases = [
  'draft',
  'scheduled',
  'running',
  'paused',
  'awaiting-approval',
  'succeeded',
  'reverted',
  'archived',
] as const
export type Phase = (typeof phases)[number]

/** What a rule serves: one variant, or a fixed split in percent, e.g. `{ canary: 10, stable: 90 }` (sums to 100). */
export type Serve = string | { readonly [variant: string]: number }

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

/** Hours of the clock on the wall of a time zone. One at least of `days`, `from` and `to` is given. */
export interface TimeWindow {
  /** IANA name, e.g. `Europe/Amsterdam`. */
  readonly zone: string
  /** Every day when absent. Of a window over midnight: the days on which it begins. */
  readonly days?: readonly Weekday[]
  /** `HH:MM`, from 00:00 when absent. */
  readonly from?: string
  /** `HH:MM`, the first minute outside; midnight when absent. Before `from`: of the next day, as in 22:00 to 06:00. */
  readonly to?: string
}

/** What a rule may look at. A rule has one of them at least; those that it has must all hold. */
export const ruleMatchers = ['header', 'cookie', 'cohort', 'when', 'time', 'userAgent'] as const
/** Every field of a rule. An SDK that meets another one does not know what the rule asks, and leaves the rule out. */
export const ruleFields: readonly string[] = ['name', 'serve', 'values', 'condition', ...ruleMatchers]

/** What a rule may ask of a user agent. */
export const userAgentFields: readonly string[] = [
  'browser',
  'version',
  'os',
  'osVersion',
  'engine',
  'mobile',
  'tablet',
  'bot',
]

/** A named rule: it serves those for whom all its matchers hold. */
export interface Rule {
  /** Unique within the rollout; named in decisions. */
  readonly name: string
  readonly serve: Serve
  /** A request header, in any case. Met by `values`, by `condition`, or, with neither, by being there. Not together with `cookie`. */
  readonly header?: string
  /** A cookie, in this case; met like a header. */
  readonly cookie?: string
  /** Any of these, exactly: of the header or cookie. */
  readonly values?: readonly string[]
  /** Operators on the value of the header or cookie, e.g. `{ "$regex": "^v2" }`. */
  readonly condition?: Condition
  /** The user is in this cohort. */
  readonly cohort?: string
  /** The user's attributes meet this condition. */
  readonly when?: Condition
  /** It is this time of day, of the week, in a zone. */
  readonly time?: TimeWindow
  /**
   * The request's `User-Agent` header meets this condition on `browser`, `version`, `os`, `osVersion`, `engine`, `mobile`, `tablet` and
   * `bot`, e.g. `{ "browser": "Safari", "version": { "$vlt": "16" } }`. Only server SDKs read it: in a browser such a rule does not match.
   */
  readonly userAgent?: Condition
}

/** A cohort as an SDK needs it: whoever meets the condition or is a member is in. */
export interface RulesetCohort {
  readonly when?: Condition
  /** Hashes of the listed ids under the ruleset's `unitSalt`: as in reports, no id is told. On the wire its text (`MemberText`). */
  readonly members?: MemberList
}

/** An arm. The first of a rollout is always `stable`. `share` divides the canary's weight between several canary arms. */
export interface Variant {
  readonly name: string
  readonly share?: number
  readonly payload?: JsonValue
}

/** How the canary's buckets are divided between several arms: each arm has those from where the one before ends up to, not with, its number. */
export type Deal = readonly (readonly [arm: string, to: number])[]

/** Another rollout, and the variant of it that one must have; any but stable where none is named. */
export interface Prerequisite {
  readonly rollout: string
  readonly variant?: string
}

/** A part of a layer, in percent from `from` up to, not with, `to`. Rollouts in parts of one layer that do not overlap exclude each other. */
export interface LayerRange {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** Latency limits in ms that an SDK counts exceedances of; `version` says which limits a count belongs to. */
export interface Thresholds {
  readonly version: number
  readonly ms: readonly number[]
}

/** One rollout as an SDK needs it. Every field is at the top level so that a patch can name just what changed. */
export interface RulesetRollout {
  readonly phase: Phase
  /** ASCII, 16 characters when made by the server. */
  readonly salt: string
  /** Version of the hash that assigns units; 1 is the only one yet. */
  readonly hash: 1
  /** Grows with each change of weight, stage or salt. */
  readonly epoch: number
  /** Name of the current stage; absent before the start. */
  readonly stage?: string
  /** Share of the remaining units that get the canary: 0 to 100 in steps of 0.001. */
  readonly weight: number
  /** The attribute that is assigned, a dotted path, or several, of which the first that a user has counts; `id` when absent. */
  readonly unit?: string | readonly string[]
  /** `request`: each request is dealt out by itself, without a unit. */
  readonly assign?: 'request'
  /** Only for those who have this variant (or, without one, any but stable) of another rollout: all of them. */
  readonly prerequisites?: readonly Prerequisite[]
  /** Only for the units in this part of a layer. */
  readonly layer?: LayerRange
  readonly variants: readonly Variant[]
  /** How the canary's users are dealt to the arms, where that is not simply in their order and by their shares. */
  readonly deal?: Deal
  /** In phase `succeeded`: what everybody gets. */
  readonly winner?: string
  readonly rules?: readonly Rule[]
  /** Cohorts let in by the current stage and those before it. */
  readonly cohorts?: readonly string[]
  /** Variant by unit. */
  readonly overrides?: { readonly [unit: string]: string }
  readonly thresholds?: Thresholds
  /** Names of the events that a metric of this rollout counts: only these are worth sending. */
  readonly events?: readonly string[]
  /** Attributes by whose values outcomes and exposures are counted apart as well; at most four. */
  readonly slices?: readonly string[]
  /** Share of units (by unit hash) whose exposures and events are reported, 0 < s ≤ 1; 1 when absent. */
  readonly unitSample?: number
  /** Without contact for this long an SDK serves stable. */
  readonly deadmanMs?: number
  /** False switches the local breaker off. */
  readonly breaker?: boolean
  /** Pages may know of it. */
  readonly browser?: true
}

/** Everything an SDK needs to decide, as one versioned document of one environment. */
export interface Ruleset {
  readonly version: number
  readonly environment: string
  /** Salt of the 64-bit unit hashes that stand for ids in reports. */
  readonly unitSalt: string
  /** Share of people, in percent, whom no rollout touches; 0 when absent. */
  readonly holdback?: number
  readonly rollouts: { readonly [key: string]: RulesetRollout }
  readonly cohorts: { readonly [key: string]: RulesetCohort }
}
