import { readFileSync } from 'node:fs'
import { logHarmEvalue } from '@pipit/shared/base'
import { describe, expect, it } from 'vitest'
import { logSampleRatio } from './checks/sample-ratio.ts'
import { dispersion, type Segment, temper } from './dispersion.ts'
import {
  logLine,
  logSumExp,
  logWithinDifference,
  logWithinRatio,
  prefixRate,
  scoreDifference,
  scoreRatio,
} from './e-value.ts'
import { addStratum, alwaysValidHalfWidth, noRatio, ratioOf } from './estimate.ts'
import { addTick, type HarmProcess, logEvidence, newHarmProcess, startSegment } from './harm-process.ts'
import { finalZ } from './non-inferiority.ts'
import { logGamma } from './special/log-gamma.ts'

/** A case has the fields of its file; those it has not are never read. */
type Case = {
  readonly [field in
    | 'n1'
    | 'x1'
    | 'n0'
    | 'x0'
    | 'prefix_E'
    | 'prefix_N'
    | 'q0'
    | 'q'
    | 'psi'
    | 'theta'
    | 'delta'
    | 'x'
    | 'D'
    | 'L']: number
} & {
  readonly [field in
    | 'log_e_harm'
    | 'log_e_ni_ratio'
    | 'log_e_ni_diff'
    | 'log_e'
    | 'nu'
    | 'tempered'
    | 'log_total'
    | 'log_e_mix'
    | 'z_ratio'
    | 'z_diff'
    | 'rr_mh'
    | 'var_log'
    | 'cs_halfwidth'
    | 'lgamma']: number
} & {
  readonly alt_p1: number
  readonly alt_p0: number
  readonly se: number
  readonly alpha: number
  readonly info_opt: number
  readonly counts: readonly number[]
  readonly weights: readonly number[]
  readonly segments: readonly Segment[]
  readonly strata: readonly [number, number, number, number][]
  readonly log_M: readonly number[]
}
interface Golden {
  readonly meta: { readonly rtol: number; readonly atol: number }
  readonly cases: { readonly [group: string]: readonly Case[] } | readonly Case[]
}

function golden(name: string): {
  cases: (group?: string) => readonly Case[]
  near: (got: number, want: number | string) => void
} {
  const file = JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), 'utf8')) as Golden
  const { rtol, atol } = file.meta
  return {
    cases: (group) =>
      Array.isArray(file.cases)
        ? file.cases
        : ((file.cases as { [group: string]: readonly Case[] })[group ?? ''] ?? []),
    near: (got, want) => {
      const number = Number(want)
      expect(Math.abs(got - number), `${got} against ${number}`).toBeLessThanOrEqual(atol + rtol * Math.abs(number))
    },
  }
}

describe('the analysis against independent values', () => {
  it('gives the e-values of one time bucket', () => {
    const { cases, near } = golden('engine_block')
    for (const c of cases('block')) {
      const q = prefixRate(c.prefix_E, c.prefix_N, c.q0)
      const counts = { n1: c.n1, x1: c.x1, n0: c.n0, x0: c.x0 }
      near(q, c.q)
      near(logHarmEvalue(c.n1, c.x1, c.n0, c.x0, q, c.psi), c.log_e_harm)
      near(logWithinRatio(counts, q, c.theta), c.log_e_ni_ratio)
      near(logWithinDifference(counts, q, c.delta), c.log_e_ni_diff)
    }
    for (const c of cases('line')) {
      near(logLine({ n1: c.n1, x1: c.x1, n0: c.n0, x0: c.x0 }, { p1: c.alt_p1, p0: c.alt_p0 }, c.theta), c.log_e)
    }
    expect(cases('block')).toHaveLength(140)
  })

  it('finds the over-dispersion of user buckets', () => {
    const { cases, near } = golden('engine_dispersion')
    for (const c of cases()) {
      const found = dispersion(c.segments)
      near(found.factor, c.D)
      if (Number(c.nu) < 1e8) near(found.degrees, c.nu)
      else expect(found.degrees).toBe(Number.POSITIVE_INFINITY)
      if (c.L !== undefined && c.tempered !== undefined) near(temper(c.L, found.factor, found.degrees), c.tempered)
    }
    expect(cases()).toHaveLength(50)
  })

  it('follows the harm process tick by tick', () => {
    const { cases, near } = golden('engine_harm_process')
    for (const c of cases('process')) {
      const got = follow(c as unknown as ProcessCase)
      const want = c.log_M
      expect(got).toHaveLength(want.length)
      got.forEach((log, i) => {
        near(log, want[i] as number)
      })
    }
    for (const c of cases('combine')) {
      const { log_M, weights } = c
      near(logSumExp(log_M.map((log, i) => Math.log(weights[i] as number) + log)), c.log_total)
    }
  })

  it('gives the sample-ratio evidence, the score statistics and the estimates', () => {
    const srm = golden('srm')
    for (const c of srm.cases()) srm.near(logSampleRatio(c.counts, c.weights), c.log_e_mix)
    const scores = golden('score_tests')
    for (const c of scores.cases()) {
      const counts = { n1: c.n1, x1: c.x1, n0: c.n0, x0: c.x0 }
      if (c.z_ratio !== null) scores.near(scoreRatio(counts, c.theta), c.z_ratio)
      if (c.z_diff !== null) scores.near(scoreDifference(counts, c.delta), c.z_diff)
    }
    const estimates = golden('estimates')
    for (const c of estimates.cases()) {
      const sums = c.strata.reduce((sum, [n1, x1, n0, x0]) => addStratum(sum, { n1, x1, n0, x0 }), noRatio)
      const found = ratioOf(sums, c.D)
      if (c.rr_mh !== null) {
        estimates.near(found?.ratio ?? Number.NaN, c.rr_mh)
        estimates.near(found?.variance ?? Number.NaN, c.var_log)
      } else expect(found).toBeUndefined()
      estimates.near(alwaysValidHalfWidth(c.se, c.alpha, c.info_opt), c.cs_halfwidth)
    }
    const normal = golden('normal').cases('ppf') as unknown as readonly { readonly p: number; readonly z: number }[]
    expect(finalZ[1]).toBe(normal.find(({ p }) => p === 0.99)?.z)
    const lgamma = golden('distributions')
    for (const c of lgamma.cases('lgamma')) lgamma.near(logGamma(c.x), c.lgamma)
  })
})

interface ProcessCase {
  readonly K: number
  readonly q0: number
  readonly down: boolean
  readonly sigma_arm: number
  readonly stages: readonly {
    readonly ticks: readonly [number, number, number, number][]
    readonly buckets_per_tick?: readonly (readonly [number[], number[], number[], number[]])[] | null
  }[]
}

/** Drives the real process as the golden file was made: bucket tables grow tick by tick. */
function follow({ K, q0, down, sigma_arm, stages }: ProcessCase): number[] {
  const logs: number[] = []
  const finished: Segment[] = []
  let process: HarmProcess = newHarmProcess(down)
  for (const stage of stages) {
    process = startSegment(process)
    let table: Segment | undefined
    stage.ticks.forEach(([n1, x1, n0, x0], t) => {
      process = addTick(process, { n1, x1, n0, x0 }, { down, prior: q0, null: { kind: 'stable' }, planned: K })
      const arrays = stage.buckets_per_tick?.[t]
      if (arrays !== undefined) {
        const buckets = { n1: arrays[0], x1: arrays[1], n0: arrays[2], x0: arrays[3] }
        table = table === undefined ? buckets : grown(table, buckets)
      }
      const spread = (segment: number) =>
        table === undefined
          ? { factor: 1, degrees: Number.POSITIVE_INFINITY }
          : dispersion([...finished.slice(segment), table])
      logs.push(logEvidence(process, down, sigma_arm, spread))
    })
    if (table !== undefined) finished.push(table)
  }
  return logs
}

function grown(a: Segment, b: Segment): Segment {
  const add = (x: ArrayLike<number>, y: ArrayLike<number>): number[] =>
    Array.from(x, (value, i) => value + (y[i] as number))
  return { n1: add(a.n1, b.n1), x1: add(a.x1, b.x1), n0: add(a.n0, b.n0), x0: add(a.x0, b.x0) }
}
