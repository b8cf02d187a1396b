import type { KindWorld } from './kinds.ts'

const usual = {
  ...{ weight: 50, ticks: 240, newcomers: 20 },
  activity: { mean: 0.05, sigma: 1 },
  errors: { stable: 0.01, canary: 0.01 },
} as const
const skewed = { mean: 0.05, sigma: 2.3 } as const
const spends = { stable: 5, canary: 5, share: 0.1, sigma: 1 } as const
const byRevenue = {
  guards: [{ metric: 'revenue', worseThan: { relative: 0.9 }, action: 'pause' }],
  metrics: [{ key: 'revenue', kind: 'sum', event: 'purchase' }],
}
const byErrors = { guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }] }
const bySlices = { ...byErrors, slices: ['country'] }
const byThroughput = {
  guards: [{ metric: 'throughput', worseThan: { relative: 0.9 }, action: 'revert' }],
  checks: { missingReports: 'alert' },
}
const byLimit = { guards: [{ metric: 'error_rate', never: { above: 0.02 }, action: 'revert' }] }
const byFigure = {
  guards: [{ metric: 'queue', worseThan: { relative: 1.1 }, action: 'pause' }],
  metrics: [{ key: 'queue', kind: 'external', better: 'lower' }],
}
const byGoal = {
  gates: [{ metric: 'success_rate', betterThan: { relative: 1 } }],
  guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
}

/** Harmless: nothing may be stopped. */
export const harmlessKinds: { readonly [name: string]: KindWorld } = {
  'revenue, half': { ...usual, spends, file: byRevenue },
  'revenue, 5 %': { ...usual, weight: 5, spends, file: byRevenue },
  'revenue, 1 %, whales': { ...usual, weight: 1, spends: { ...spends, sigma: 2 }, file: byRevenue },
  'lost reports: none, users skewed': { ...usual, weight: 5, activity: skewed, file: byErrors },
  'lost reports: none, 1 %': { ...usual, weight: 1, activity: skewed, file: byErrors },
  'throughput, users skewed': { ...usual, activity: skewed, file: byThroughput },
  slices: { ...usual, file: bySlices },
  'slices, 5 %, users skewed': { ...usual, weight: 5, activity: skewed, file: bySlices },
  'a limit that is kept': { ...usual, errors: { stable: 0.02, canary: 0.02 }, file: byLimit },
  'staff within the limit': {
    ...usual,
    weight: 0,
    newcomers: 0,
    staff: 20,
    errors: { stable: 0, canary: 0.018 },
    file: byLimit,
  },
  'external figures': { ...usual, figure: { stable: 10, canary: 10 }, newcomers: 5, file: byFigure },
  'a goal that is not met': { ...usual, file: byGoal },
}

/** Harmful: each has to be stopped. */
export const harmfulKinds: { readonly [name: string]: KindWorld } = {
  'revenue −30 %': {
    ...{ ...usual, ticks: 480, newcomers: 30, file: byRevenue },
    spends: { stable: 5, canary: 3.5, share: 0.3, sigma: 0.7 },
  },
  'a third of the reports lost': { ...usual, lost: 0.33, file: byErrors },
  'requests −25 %': { ...usual, lost: 0.25, file: byThroughput },
  'errors x8 in one country in twenty users': { ...usual, ticks: 480, rareErrors: 0.08, file: bySlices },
  'beyond the limit': { ...usual, errors: { stable: 0.01, canary: 0.04 }, file: byLimit },
  'staff beyond the limit': {
    ...usual,
    weight: 0,
    newcomers: 0,
    staff: 20,
    errors: { stable: 0, canary: 0.06 },
    file: byLimit,
  },
  'external figure +20 %': { ...usual, figure: { stable: 10, canary: 12 }, newcomers: 5, file: byFigure },
}
