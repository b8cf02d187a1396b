import type { Judgement, MetricJudgement } from '@pipit/server/analysis'
import type { AnalysisView, RolloutView } from './control-plane.ts'
import type { LoadReport } from './messages.ts'

export interface Scene {
  readonly elapsedMs: number
  readonly note: string
  readonly rollouts: readonly { readonly view: RolloutView; readonly analysis: AnalysisView }[]
  readonly load: LoadReport | undefined
}

const percent = (rate: number | undefined): string => (rate === undefined ? '–' : `${(rate * 100).toFixed(2)} %`)

/** Evidence as odds: `160:1`, or `1:3` where it speaks against harm. */
export function odds(log: number): string {
  const whole = (value: number): string =>
    value >= 1e6 ? value.toExponential(0) : Math.round(value).toLocaleString('en')
  return log >= 0 ? `${whole(Math.exp(log))}:1` : `1:${whole(Math.exp(-log))}`
}

function metricLine(metric: MetricJudgement): string {
  const arms = `canary ${percent(metric.canary.rate)} of ${metric.canary.n}, stable ${percent(metric.stable.rate)} of ${metric.stable.n}`
  return `      ${metric.metric.padEnd(12)} ${arms}, harm ${odds(metric.logHarm)}`
}

function analysisLines(judgement: Judgement | undefined): string[] {
  if (judgement === undefined) return ['      not judged yet']
  return [
    `      units: canary ${judgement.units.canary}, stable ${judgement.units.stable}; evidence of harm ${odds(judgement.logHarm)} (acts at ${odds(judgement.logHarmNeeded)})`,
    ...judgement.metrics.map(metricLine),
    `      ${judgement.label.toUpperCase()}: ${judgement.sentence}`,
  ]
}

/** The picture of this second, as lines. */
export function draw(scene: Scene): string[] {
  const lines = [`Pipit demo  ${(scene.elapsedMs / 1000).toFixed(0)} s  ${scene.note}`]
  const load = scene.load
  if (load !== undefined) {
    lines.push(`shop: ${load.requests.toLocaleString('en')} requests, ${load.failedOtherwise} failed because of Pipit`)
  }
  for (const { view, analysis } of scene.rollouts) {
    const where = view.stage === undefined ? '' : `, stage ${view.stage}`
    lines.push(
      '',
      `  ${view.key.padEnd(16)} ${view.phase}${where}, ${view.weight} %`,
      ...analysisLines(analysis.judgement),
    )
  }
  return lines
}

/** Redraws in place on a terminal; elsewhere prints a scene every ten seconds. */
export function createScreen(out: NodeJS.WriteStream): { show(scene: Scene): void; say(line: string): void } {
  let drawn = 0
  let lastPrinted = -Infinity
  return {
    show(scene) {
      if (!out.isTTY && scene.elapsedMs - lastPrinted < 10_000) return
      lastPrinted = scene.elapsedMs
      const width = out.columns ?? 200
      const lines = draw(scene).map((line) => (out.isTTY ? line.slice(0, width - 1) : line))
      if (out.isTTY && drawn > 0) out.write(`\u001b[${drawn}A\u001b[0J`)
      out.write(`${lines.join('\n')}\n${out.isTTY ? '' : '\n'}`)
      drawn = lines.length
    },
    say(line) {
      drawn = 0
      out.write(`${line}\n`)
    },
  }
}
