import { readFileSync } from 'node:fs'
import { type Row, tableOf } from './row.ts'

/** What was measured last, by benchmark: `results.json`. */
export interface Results {
  readonly machine: string
  readonly benchmarks: { readonly [name: string]: { readonly date: string; readonly rows: readonly Row[] } }
}

export const resultsFile = new URL('./results.json', import.meta.url)
export const readmeFile = new URL('../../README.md', import.meta.url)
const begin = '<!-- from test/bench/results.json, by `npm run bench -- --save` -->\n'
const end = '<!-- end -->'

/** Of reports and push: the README quotes them. */
export const quoted = [
  ...['fanout', 'reconnect', 'sockets', 'sdk-memory', 'ingest', 'record', 'wire', 'growth', 'evidence', 'abuse'],
] as const

export const readResults = (): Results => JSON.parse(readFileSync(resultsFile, 'utf8')) as Results

/** Benchmarks that were run replace what is known of them; figures of another machine say nothing beside these. */
export function merged(known: Results | undefined, machine: string, benchmarks: Results['benchmarks']): Results {
  const kept = known?.machine === machine ? known.benchmarks : {}
  return { machine, benchmarks: { ...kept, ...benchmarks } }
}

/** The table with where and when it was measured. */
export function told({ machine, benchmarks }: Results, names: readonly string[]): string {
  const found = names.flatMap((name) => benchmarks[name] ?? [])
  const rows = found.flatMap((each) => each.rows)
  const dates = [...new Set(found.map(({ date }) => date))].sort()
  const when = [...new Set([dates[0], dates.at(-1)])].join(' to ')
  const met = rows.filter((row) => row.met === true).length
  const missing = names.filter((name) => benchmarks[name] === undefined)
  const unmeasured = missing.length === 0 ? '' : ` Not measured there yet: ${missing.join(', ')}.`
  const summary = `${met} of ${rows.length} bars met.${unmeasured}`
  return `${when}, ${machine}, server and clients together on it: ${summary}\n\n${tableOf(rows)}\n`
}

/** The README with its quotation made anew. */
export function quotedIn(readme: string, results: Results): string {
  const [before = '', rest = ''] = readme.split(begin)
  const after = rest.slice(rest.indexOf(end))
  return `${before}${begin}\n${told(results, quoted)}\n${after}`
}
