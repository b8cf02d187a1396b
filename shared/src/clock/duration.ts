/** A span written for people: `250ms`, `10s`, `30m`, `1h30m`, `2d`. */
export type Duration = string

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration text (`1h30m` → 5 400 000), or undefined where the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (unitMs[unit as string] as number)
  }
  return Math.round(total)
}

/** The shortest duration text of a span in milliseconds: 5 400 000 → `1h30m`, 0 → `0s`. */
export function formatDuration(spanMs: number): Duration {
  let rest = Math.round(spanMs)
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = unitMs[unit] as number
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}
