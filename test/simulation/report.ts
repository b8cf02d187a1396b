import { percent, speedRatio } from './bars.ts'
import type { RivalName } from './rivals.ts'
import type { Scenario } from './scenarios.ts'
import type { Summary } from './summary.ts'

/** Heads of the tables, by what a scenario is about. */
export const heads: { readonly [K in Scenario['kind']]: readonly string[] } = {
  harmless: [
    'harmless canary',
    'runs',
    'false reverts',
    'at most (95 %)',
    'published',
    'twice, stage',
    'twice, 1 min',
    'z, every look',
    'Kayenta-like',
    'waved',
    'ended otherwise',
    'min',
  ],
  harmful: [
    'harmful canary',
    'runs',
    'found',
    'median n',
    'p90 n',
    'median s',
    'published n',
    'Wald n',
    'ratio',
    'published ratio',
    'ratio to Wald at 1 %',
    'users hit',
    'twice found/s',
    'z found/s',
    'Kayenta found/s',
    'ended otherwise',
  ],
  advance: [
    'whole engine',
    'runs',
    'completed',
    'reverted',
    'undecided',
    'by stage',
    'median min',
    'p90 min',
    'why not',
  ],
  gate: ['canary at the margin', 'runs', 'passed', 'at most (95 %)'],
  coverage: ['intervals at every look', 'runs', 'all hold the truth', 'missed by metric'],
}

/** One row of the table. */
export function rowOf(name: string, scenario: Scenario, summary: Summary): readonly string[] {
  const head = [name, String(summary.runs)]
  switch (scenario.kind) {
    case 'harmless':
      return [...head, ...harmlessCells(scenario, summary)]
    case 'harmful':
      return [...head, ...harmfulCells(scenario, summary)]
    case 'advance':
      return [...head, ...advanceCells(summary)]
    case 'gate':
      return [...head, percent(summary.succeeded / summary.runs), percent(summary.succeededAtMost)]
    case 'coverage':
      return [...head, percent(summary.covered / summary.runs), counts(summary.uncovered)]
  }
}

const rivalsShown: readonly RivalName[] = ['twice', 'minute', 'z', 'kayenta']

function harmlessCells({ published }: Scenario, summary: Summary): readonly string[] {
  return [
    percent(summary.reverted / summary.runs),
    percent(summary.revertedAtMost),
    published?.reverted === undefined ? '–' : `${published.reverted} %`,
    ...rivalsShown.map((name) => percent(summary.rivals[name].share, 1)),
    String(summary.stuck.reduce((sum, waved) => sum + waved, 0)),
    counts(summary.reasons),
    number(summary.medianMinutes),
  ]
}

function harmfulCells({ published }: Scenario, summary: Summary): readonly string[] {
  const { judge, rivals } = summary
  const { 'reverted: harm': _found, ...otherwise } = summary.reasons
  const loose = judge.medianRequests / rivals.oracle.medianRequests
  return [
    percent(judge.share),
    number(judge.medianRequests),
    number(judge.p90Requests),
    number(judge.medianSeconds),
    published?.median === undefined ? '–' : String(published.median),
    number(rivals.matched.medianRequests),
    speedRatio(summary)?.toFixed(2) ?? '–',
    published?.ratio === undefined ? '–' : String(published.ratio),
    Number.isFinite(loose) && loose > 0 ? loose.toFixed(2) : '–',
    number(summary.medianUsersHit),
    ...(['twice', 'z', 'kayenta'] as const).map(
      (name) =>
        `${percent(rivals[name].share, 0)} / ${number(rivals[name].medianSeconds)}${rivals[name].falseShare > 0 ? ` (${percent(rivals[name].falseShare, 0)} before)` : ''}`,
    ),
    counts(otherwise),
  ]
}

function advanceCells(summary: Summary): readonly string[] {
  const { runs } = summary
  return [
    percent(summary.succeeded / runs),
    percent(summary.reverted / runs),
    percent(summary.undecided / runs),
    summary.stuck.join('/'),
    number(summary.medianMinutes),
    number(summary.p90Minutes),
    counts(summary.reasons),
  ]
}

const number = (value: number): string => (Number.isFinite(value) ? String(Math.round(value)) : '–')

const counts = (tally: { readonly [name: string]: number }): string =>
  Object.entries(tally)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || '–'

/** A line of a Markdown table. */
export const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
