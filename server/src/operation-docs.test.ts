import { readdirSync, readFileSync } from 'node:fs'
import { wireLimits } from '@pipit/shared/protocol'
import { describe, expect, it } from 'vitest'
import { allDefaults } from './limits.ts'
import { defaultLimits } from './push/index.ts'

/** By heading of their first column: the tables of docs/operation.md, each row by its name. */
const tables = tablesOf(readFileSync(new URL('../../docs/operation.md', import.meta.url), 'utf8'))
const isOfPages = (name: string): boolean => /page/i.test(name)

function tablesOf(text: string): Map<string, [string, string][]> {
  const found = new Map<string, [string, string][]>()
  let rows: [string, string][] | undefined
  for (const line of text.split('\n')) {
    const [, first = '', second = ''] = line.split('|').map((cell) => cell.trim())
    if (!line.startsWith('|')) rows = undefined
    else if (rows === undefined) {
      rows = found.get(first) ?? []
      found.set(first, rows)
    } else if (!first.startsWith('-')) rows.push([first.replaceAll('`', ''), second])
  }
  return found
}

it('docs/operation.md names each thing once in its table', () => {
  for (const rows of tables.values()) {
    const names = rows.map(([name]) => name)
    expect(names).toEqual([...new Set(names)])
  }
})

const numbers = (table: string) =>
  Object.fromEntries((tables.get(table) ?? []).map(([name, value]) => [name, Number(value)]))
const ofServers = (limits: { readonly [name: string]: number }) =>
  Object.fromEntries(Object.entries(limits).filter(([name]) => !isOfPages(name)))

/** What the sources of a folder count, where a name stands in them. */
function countersIn(folder: string): string[] {
  const sources = readdirSync(new URL(folder, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.test\.|fixture/.test(name))
    .map((name) => readFileSync(new URL(`${folder}/${name}`, import.meta.url), 'utf8'))
    .join('\n')
  const calls = [...sources.matchAll(/\b(?:add\(tally, |count\(|const counter = )([^;\n]*)/g)].flatMap(
    ([, args = '']) => [...args.matchAll(/'([a-z]+(?:_[a-z]+)*)'/g)],
  )
  const fields = [...sources.matchAll(/\b(?:counters|tally)\.([a-z_]+)/g)]
  const results = ['first', 'conflict', 'duplicate']
  const names = [...calls, ...fields].map(([, name = '']) => name).filter((name) => !results.includes(name))
  return [...new Set(names.filter((name) => !isOfPages(name)))].sort()
}

describe('docs/operation.md', () => {
  it('names every limit that can be set with its default', () => {
    const ofPages = Object.keys(defaultLimits).filter(isOfPages)
    const told = { ...numbers('limit'), ...numbers('kept') }
    expect(told).toEqual(Object.fromEntries(Object.entries(allDefaults).filter(([name]) => !ofPages.includes(name))))
  })

  it('names every limit of the wire', () => {
    expect(numbers('limit of the wire')).toEqual(ofServers(wireLimits))
  })

  it('names everything that is counted', () => {
    const told = (tables.get('kind') ?? []).map(([name]) => name)
    expect(told.sort()).toEqual([...countersIn('./ingest'), ...countersIn('./push')].sort())
  })

  it('names every metric', () => {
    const source = readFileSync(new URL('./http/prometheus.ts', import.meta.url), 'utf8')
    const whole = [...source.matchAll(/'((?:pipit|process)_\w+)'/g)].map(([, name]) => name)
    const counters = [...source.matchAll(/counterSamples\('(\w+)'/g)].map(([, name]) => `pipit_${name}_total`)
    const gauges = [...source.matchAll(/gauge\('(\w+)'/g)].map(([, name]) => `pipit_ingest_${name}`)
    expect((tables.get('metric') ?? []).map(([name]) => name).sort()).toEqual([...whole, ...counters, ...gauges].sort())
  })
})
