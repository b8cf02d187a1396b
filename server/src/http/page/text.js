/** How figures are written for people. */

const rates = new Set(['error_rate', 'success_rate', 'latency', 'conversion'])

/** A figure of a metric: a rate in percent, or a number as it is. */
export const figure = (kind, value) =>
  rates.has(kind) || value === undefined || value === null ? percent(value) : String(Number(value.toPrecision(4)))

export const percent = (rate) => (rate === undefined || rate === null ? '–' : `${(rate * 100).toFixed(2)} %`)

export const weight = (value) => `${Number(value.toFixed(3))} %`

export const count = (value) => Math.round(value).toLocaleString('en')

/** A share of traffic in the words of odds: evidence of e^log to 1, or 1 to e^-log where it speaks against harm. */
export function odds(log) {
  if (log === null || log === undefined) return '–'
  const shown = (value) => (value >= 1e6 ? value.toExponential(0).replace('e+', 'e') : count(value))
  return log >= 0 ? `${shown(Math.exp(log))} : 1` : `1 : ${shown(Math.exp(-log))}`
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** An interval of ratios: `1.31 (1.02 – 1.70)`. */
export function ratio(value) {
  if (value === undefined || value === null) return '–'
  const shown = (number) => (number === null || number > 1e4 ? '∞' : number.toPrecision(3))
  return `${shown(value.estimate)} (${shown(value.low)} – ${shown(value.high)})`
}

export const phaseWords = {
  draft: 'draft',
  scheduled: 'scheduled',
  running: 'running',
  paused: 'paused',
  'awaiting-approval': 'waits for approval',
  succeeded: 'succeeded',
  reverted: 'reverted',
  archived: 'archived',
}
