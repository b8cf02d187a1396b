/** One line of the table that `npm run bench` ends with. A benchmark exports `rows(): Promise<readonly Row[]>`. */
export interface Row {
  /** What is promised, in words of somebody who has not read the code: "fan-out to 9 600 SDKs, p99". */
  readonly claim: string
  /** What was measured, with its unit. */
  readonly ours: string
  /** The least that the same work costs in the same run, with its unit. */
  readonly floor?: string
  /** Ours against the floor. */
  readonly ratio?: number
  /** What must be held: "at most 1.3 x". */
  readonly bar: string
  readonly met: boolean | 'unmeasured'
  /** What else a reader has to know to believe it. */
  readonly note?: string
}

const words = new Map<Row['met'], string>([
  [true, 'yes'],
  [false, '**no**'],
  ['unmeasured', 'unmeasured'],
])

/** The rows as a table of Markdown that is aligned for the eye too. */
export function tableOf(rows: readonly Row[]): string {
  const notes = [...new Set(rows.flatMap(({ note }) => (note === undefined ? [] : [note])))]
  const cells = rows.map(({ claim, ours, floor, ratio, bar, met, note }) => [
    note === undefined ? claim : `${claim} (${notes.indexOf(note) + 1})`,
    ours,
    floor ?? '',
    ratio === undefined ? '' : `${ratio.toFixed(ratio < 0.1 ? 4 : 2)} x`,
    bar,
    words.get(met) ?? '',
  ])
  const lines = aligned([['claim', 'ours', 'floor', 'ratio', 'bar', 'met'], ...cells])
  const told = notes.map((note, i) => `${i + 1}. ${note}`)
  return [...lines, ...(told.length > 0 ? ['', ...told] : [])].join('\n')
}

function aligned([head = [], ...body]: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...body].map((cells) => (cells[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)]
}
