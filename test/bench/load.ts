/**
 * `npm run bench -- load`: a ruleset of a thousand rollouts from text to ready for deciding, against `JSON.parse` of the same bytes. Bars:
 * 5 times that, and 50 ms.
 */
import { compileRuleset, recompile } from '@pipit/shared/decide'
import { encodeMessage, parseServerMessage, patchedRollouts } from '@pipit/shared/protocol'
import type { Ruleset, RulesetCohort, RulesetRollout } from '@pipit/shared/rules'
import type { Row } from './row.ts'
import { printTimings, sideBySide } from './side-by-side.ts'

const bar = { ratio: 5, milliseconds: 50 }
const count = 1000
const countries = ['NL', 'DE', 'FR', 'GB', 'US', 'ES', 'IT', 'SE']

/** As a rollout of several stages looks in its third: the cohorts of the stages so far, rules of most kinds, guards' limits. */
function rollout(i: number): RulesetRollout {
  const country = countries[i % countries.length] as string
  return {
    phase: 'running',
    salt: `salt-${String(i).padStart(11, '0')}`,
    hash: 1,
    epoch: 3 + (i % 7),
    stage: 'tenth',
    weight: [1, 5, 10, 25, 50][i % 5] as number,
    ...(i % 10 === 0 ? { unit: 'account.id' } : {}),
    variants: [
      { name: 'stable' },
      { name: 'canary', payload: { color: 'blue', size: i } },
      ...(i % 20 === 0 ? [{ name: 'bold', share: 2, payload: { color: 'red', size: i } }] : []),
    ],
    rules: [
      { name: 'insiders', cohort: `cohort-${i % 50}`, serve: 'canary' },
      { name: 'header', header: 'x-canary', values: ['true', 'always'], serve: 'canary' },
      { name: 'region', when: { country: { $in: [country, 'BE'] }, plan: { $ne: 'enterprise' } }, serve: 'canary' },
      {
        name: 'adults with a new app',
        when: { $and: [{ age: { $gte: 18 } }, { 'app.version': { $vgte: '2.4.0' } }] },
        serve: { canary: 25, stable: 75 },
      },
    ],
    cohorts: [`cohort-${(i + 1) % 50}`, `cohort-${(i + 2) % 50}`],
    overrides: { [`tester-${i}`]: 'canary', [`skeptic-${i}`]: 'stable' },
    thresholds: { version: 1, ms: [100, 250, 1000] },
    events: ['purchase', 'signup'],
    slices: ['country', 'plan'],
  }
}

const cohort = (i: number): RulesetCohort => ({
  when: { $or: [{ plan: { $in: ['beta', 'internal'] } }, { email: { $regex: `@team-${i}\\.example$` } }] },
})

const ruleset: Ruleset = {
  version: 42,
  environment: 'production',
  unitSalt: 'unit-salt-000000',
  rollouts: Object.fromEntries(Array.from({ length: count }, (_, i) => [`rollout-${i}`, rollout(i)])),
  cohorts: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`cohort-${i}`, cohort(i)])),
}
const text = encodeMessage({ type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 15_000 })

function parsed(): Ruleset {
  const result = parseServerMessage(text)
  if (!result.ok || result.message.type !== 'ruleset') throw new Error('the ruleset of the benchmark is refused')
  return result.message.ruleset
}

// Before anything is compiled to machine code: what the start of a process pays.
const began = performance.now()
const once = parsed()
const compiled = compileRuleset(once)
const firstMs = performance.now() - began
if (compiled.unknownOperators > 0) throw new Error('the ruleset of the benchmark has operators that are not known')

let held = compileRuleset(parsed())

/** What a ramp sends: a weight of one rollout of the thousand. */
const patchText = encodeMessage({
  type: 'patch',
  from: ruleset.version,
  version: ruleset.version + 1,
  rollouts: { 'rollout-500': { weight: 30, epoch: 12 } },
})

/** As an SDK does it: what it holds is changed in place. */
function patched(): number {
  const result = parseServerMessage(patchText)
  if (!result.ok || result.message.type !== 'patch') throw new Error('the patch of the benchmark is refused')
  const changed = patchedRollouts(held.ruleset, result.message)
  if (changed === undefined) throw new Error('the patch of the benchmark does not fit')
  held = recompile(held, changed, result.message.version)
  return held.version
}

const timings = sideBySide(
  [
    { name: 'JSON.parse', run: () => Object.keys(JSON.parse(text)).length },
    { name: 'parse and validate', run: () => parsed().version },
    { name: 'compile', run: () => compileRuleset(once).unknownOperators },
    { name: 'a patch of one weight, parsed, applied and compiled', run: patched },
    { name: 'parse, validate and compile', run: () => compileRuleset(parsed()).unknownOperators },
  ],
  1,
  41,
)
printTimings(`${count} rollouts, ${Math.round(text.length / 1000)} kB of text`, timings)
const whole = timings.at(-1) as (typeof timings)[number]
const milliseconds = whole.nanoseconds / 1e6
const met = whole.ratio <= bar.ratio && milliseconds <= bar.milliseconds
console.log(
  `  ${milliseconds.toFixed(1)} ms, ${whole.ratio.toFixed(2)} x JSON.parse (bar ${bar.milliseconds} ms, ${bar.ratio} x: ${met ? 'met' : 'MISSED'})`,
)
console.log(`  ${firstMs.toFixed(1)} ms the first time in a process`)

export const rows = (): Promise<readonly Row[]> =>
  Promise.resolve([
    {
      claim: `a ruleset of ${count} rollouts, from text to ready, against JSON.parse`,
      ours: `${milliseconds.toFixed(1)} ms`,
      floor: `${((timings[0]?.nanoseconds ?? 0) / 1e6).toFixed(1)} ms`,
      ratio: whole.ratio,
      bar: `at most ${bar.ratio} x, ${bar.milliseconds} ms`,
      met,
    },
  ])
