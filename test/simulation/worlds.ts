import type { Harm, World } from './world.ts'

/** Set-up A of the published figures: 400 requests a second of 20 000 users, 1 % errors, log-normal latency. */
export const plain: World = {
  requestsPerTick: 2000,
  crowd: { users: 20_000, activity: 0, errors: 0, latency: 0 },
  errors: 0.01,
  storms: 0,
  latency: { medianMs: 40, sigma: 0.6 },
  conversion: 0.002,
  isDelayed: false,
  hasBursts: false,
  course: 'steady',
  coldStart: 'none',
  armNoise: 0,
  reports: { late: 0, lost: 0, doubled: 0 },
  harm: undefined,
}

const skewed = { users: 10_000, activity: 1.5, errors: 0.5, latency: 0.2 } as const
const strong = { users: 10_000, activity: 2, errors: 1, latency: 0.4 } as const

/** Harmless canaries: whatever reverts here is a false revert. */
export const harmlessWorlds = {
  'errors 0.1 %': { ...plain, errors: 0.001 },
  'errors 1 %': plain,
  'errors 5 %': { ...plain, errors: 0.05 },
  'errors ~0 (1e-6)': { ...plain, errors: 1e-6 },
  'tiny traffic (100 a tick)': { ...plain, requestsPerTick: 100, crowd: { ...plain.crowd, users: 2000 } },
  'heavy tail (Pareto)': { ...plain, latency: { ...plain.latency, paretoShare: 0.05 } },
  'users skewed 1000x': { ...plain, crowd: skewed },
  'strong skew, users differ': { ...plain, crowd: strong },
  'skewed, 500 users only': { ...plain, crowd: { ...skewed, users: 500 } },
  'retry storms (30 % of errors)': { ...plain, storms: 0.3 },
  'shared bursts x8': { ...plain, hasBursts: true },
  'base rate 3 % to 0.5 %': { ...plain, errors: 0.03, course: 'falling' },
  'daily cycles': { ...plain, course: 'daily' },
  'cold starts, both arms': { ...plain, coldStart: 'both' },
  'delayed conversions': { ...plain, isDelayed: true },
  'late, lost, doubled reports': { ...plain, reports: { late: 0.3, lost: 0.1, doubled: 0.05 } },
  'arm noise sd .05 (floor .02)': { ...plain, armNoise: 0.05 },
  'arm noise sd .1, calibrated': { ...plain, armNoise: 0.1 },
  everything: {
    ...plain,
    crowd: skewed,
    storms: 0.3,
    hasBursts: true,
    course: 'falling',
    errors: 0.03,
    latency: { ...plain.latency, paretoShare: 0.05 },
    isDelayed: true,
    coldStart: 'both',
    reports: { late: 0.3, lost: 0.05, doubled: 0.02 },
  },
} as const satisfies { readonly [name: string]: World }

export const harm = (part: Partial<Harm>): Harm => ({
  fromStage: 0,
  growsTicks: 0,
  errors: 1,
  latency: 1,
  tail: 1,
  conversion: 1,
  isSliced: false,
  ...part,
})

/** Harmful canaries: whatever does not revert here is missed. */
export const harmfulWorlds = {
  'errors 1 % to 2 %': { ...plain, harm: harm({ errors: 2 }) },
  'errors 1 % to 1.5 %': { ...plain, harm: harm({ errors: 1.5 }) },
  'errors 0.1 % to 1 %': { ...plain, errors: 0.001, harm: harm({ errors: 10 }) },
  'errors 0.1 % to 0.2 %': { ...plain, errors: 0.001, harm: harm({ errors: 2 }) },
  'errors 5 % to 10 %': { ...plain, errors: 0.05, harm: harm({ errors: 2 }) },
  'errors 1 % to 2 %, skewed': { ...plain, crowd: skewed, harm: harm({ errors: 2 }) },
  'errors x2.43, storms': { ...plain, storms: 0.3, harm: harm({ errors: 2.43 }) },
  'errors x2 after promotion': { ...plain, harm: harm({ errors: 2, fromStage: 1 }) },
  'errors growing to x2 in 10 min': { ...plain, harm: harm({ errors: 2, growsTicks: 120 }) },
  'errors x2 in a tenth of users': { ...plain, harm: harm({ errors: 2, isSliced: true }) },
  'errors x4 in a tenth of users': { ...plain, harm: harm({ errors: 4, isSliced: true }) },
  'all latencies +20 %': { ...plain, harm: harm({ latency: 1.2 }) },
  'all latencies +50 %': { ...plain, harm: harm({ latency: 1.5 }) },
  'tail +20 %': { ...plain, harm: harm({ tail: 1.2 }) },
  'tail +50 %': { ...plain, harm: harm({ tail: 1.5 }) },
  'Pareto latencies +50 %': {
    ...plain,
    latency: { ...plain.latency, paretoShare: 0.05 },
    harm: harm({ latency: 1.5 }),
  },
  'sells 30 % less': { ...plain, harm: harm({ conversion: 0.7 }) },
  'sells 30 % less, delayed': { ...plain, isDelayed: true, harm: harm({ conversion: 0.7 }) },
  'errors x2, reports late, lost, doubled': {
    ...plain,
    reports: { late: 0.3, lost: 0.1, doubled: 0.05 },
    harm: harm({ errors: 2 }),
  },
  'cold starts, canary only': { ...plain, coldStart: 'canary' },
} as const satisfies { readonly [name: string]: World }
