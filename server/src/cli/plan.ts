import type { Command } from 'commander'
import type { RolloutPlan } from '../analysis/planner/index.ts'
import { CommandError, exitCodes } from './api-client.ts'
import { table } from './show.ts'

/** Flags of `pipit plan`, as they are written. */
export interface PlanFlags {
  readonly file?: string
  readonly rps?: string
  readonly usersPerSecond?: string
  readonly errorRate?: string
  readonly conversionRate?: string
  readonly dispersion?: string
  readonly p50?: string
  readonly p99?: string
  readonly metric?: readonly string[]
  readonly effect?: readonly string[]
}

export function addPlanOptions(command: Command): Command {
  return command
    .option('-f, --file <file>', 'a rollout file instead of a rollout of the server')
    .option('--rps <number>', 'requests per second, both arms together; measured for a running rollout when absent')
    .option('--users-per-second <number>', 'users that come into the comparison per second')
    .option('--error-rate <share>', 'share of requests that fail, 0 to 1')
    .option('--conversion-rate <share>', 'share of users that convert, 0 to 1')
    .option('--dispersion <factor>', 'over-dispersion of requests, 1 or more')
    .option('--p50 <ms>', 'median latency of stable, together with --p99')
    .option('--p99 <ms>', '99th percentile of its latency')
    .option('--metric <name=rate...>', 'rate of a metric, or mean and sd per user: revenue=3.2:15')
    .option('--effect <name=factor...>', 'effects to look at: error_rate=2')
}

/** The traffic that the flags tell; nothing where they tell none, so that it is measured. */
export function planTraffic(flags: PlanFlags): { readonly traffic?: object } {
  const numbers = {
    requestsPerSecond: numberOf('--rps', flags.rps),
    usersPerSecond: numberOf('--users-per-second', flags.usersPerSecond),
    errorRate: numberOf('--error-rate', flags.errorRate),
    conversionRate: numberOf('--conversion-rate', flags.conversionRate),
    dispersion: numberOf('--dispersion', flags.dispersion),
  }
  const p50 = numberOf('--p50', flags.p50)
  const p99 = numberOf('--p99', flags.p99)
  if ((p50 === undefined) !== (p99 === undefined)) throw usage('--p50 and --p99 belong together: give both')
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  const traffic = {
    ...given,
    ...(p50 === undefined ? {} : { latency: { p50, p99 } }),
    ...(flags.metric === undefined ? {} : { metrics: Object.fromEntries(flags.metric.map(figureOf)) }),
  }
  if (Object.keys(traffic).length === 0) return {}
  if (numbers.requestsPerSecond === undefined) throw usage('--rps is missing: the other figures need it')
  return { traffic }
}

export function readEffects({ effect }: PlanFlags): { readonly effects?: readonly object[] } {
  if (effect === undefined) return {}
  return {
    effects: effect.map((text) => {
      const [metric, factor] = pair('--effect', text)
      return { metric, factor: numberOf('--effect', factor) }
    }),
  }
}

function figureOf(text: string): [string, object] {
  const [metric, figure] = pair('--metric', text)
  const [first, second] = figure.split(':')
  const value = numberOf('--metric', first)
  return [metric, second === undefined ? { rate: value } : { mean: value, sd: numberOf('--metric', second) }]
}

function pair(flag: string, text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw usage(`${flag} takes name=number, not "${text}"`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw usage(`${flag} takes a number, not "${text}"`)
  return value
}

const usage = (message: string): CommandError => new CommandError(message, exitCodes.usage)

interface ShownPlan extends RolloutPlan {
  readonly traffic: { readonly requestsPerSecond: number; readonly errorRate?: number }
  readonly source: 'given' | 'measured'
}

/** A plan for people: stages, effects, and what has to be known besides. */
export function planText(plan: ShownPlan): string {
  const { traffic, source, stages, passes, medianSeconds, p90Seconds } = plan
  const stageRows = stages.map((stage) => ({
    stage: stage.stage,
    weight: `${stage.weight} %`,
    'canary requests': count(stage.requests.canary),
    margins: stage.metrics.map(marginCell).join(', ') || '-',
    passes: share(stage.passes),
    median: time(stage.medianSeconds),
    p90: time(stage.p90Seconds),
  }))
  const effectRows = stages.flatMap(({ stage, effects }) =>
    effects.map(({ name, median, p90, detected, damage, waldBound }) => ({
      stage,
      harm: name,
      found: share(detected),
      median: arrival(median),
      p90: arrival(p90),
      damage: damage === undefined ? '-' : count(damage),
      'at least': waldBound === undefined ? '-' : count(waldBound),
    })),
  )
  const overall = plan.effects.map(({ name, detected }) => `  ${name}: found with a chance of ${share(detected)}`)
  const sentences = [...plan.warnings, ...stages.flatMap((stage) => stage.warnings)]
  const whole = `A canary as good as stable completes in ${time(medianSeconds)} (median) to ${time(p90Seconds)}, with a chance of ${share(passes)}.`
  return [
    `At ${Number(traffic.requestsPerSecond.toPrecision(3))} requests/s (${source}). ${whole}`,
    '',
    table(stageRows),
    ...(effectRows.length === 0
      ? []
      : ['', 'Harm that begins with the stage, canary requests or users until a revert:', table(effectRows)]),
    ...(overall.length === 0 ? [] : ['', 'Harm from the first stage on, over the whole ramp:', ...overall]),
    ...(sentences.length === 0 ? [] : ['', ...sentences.map((sentence) => `! ${sentence}`)]),
  ].join('\n')
}

function marginCell({ metric, inForce, monitorOnly }: RolloutPlan['stages'][number]['metrics'][number]): string {
  if (monitorOnly) return `${metric} watched only`
  const { relative, absolute } = inForce ?? {}
  const parts = [
    ...(relative === undefined ? [] : [`${relative.toFixed(2)}×`]),
    ...(absolute === undefined ? [] : [`+${(absolute * 100).toPrecision(2)} pp`]),
  ]
  return `${metric} ${parts.join(' or ')}`
}

const count = (value: number): string => Math.round(value).toLocaleString('en-US')

const share = (chance: number): string =>
  chance < 0.001 ? '< 0.1 %' : chance > 0.999 ? '> 99.9 %' : `${(chance * 100).toFixed(1)} %`

function arrival(at: { readonly canary: number; readonly seconds: number } | undefined): string {
  return at === undefined ? 'never' : `${count(at.canary)} (${time(at.seconds)})`
}

function time(seconds: number | undefined): string {
  if (seconds === undefined) return 'not by itself'
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} min`
  return seconds < 172_800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`
}
