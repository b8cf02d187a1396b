/**
 * `npm run bench [-- <names>] [--bars] [--save]`: each benchmark in a process of its own, one after the other, and at the end one table of
 * what is claimed, what was measured, and the bar. `--bars` fails where a bar was missed; `--save` writes the table to `RESULTS.md`.
 */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Row, tableOf } from './row.ts'

const collected = ['--expose-gc', '--max-semi-space-size=64', '--min-semi-space-size=64']
/** By name, with the flags that its process needs. */
const benchmarks: { readonly [name: string]: readonly string[] } = {
  fanout: [],
  reconnect: [],
  sockets: ['--expose-gc'],
  'sdk-memory': ['--expose-gc'],
  ingest: [],
  record: [],
  wire: [],
  growth: [],
  evidence: [],
  abuse: [],
  hash: [],
  decide: [],
  rules: [],
  allocation: collected,
  cohort: [],
  judge: [],
  load: [],
  page: [],
}

const fileOf = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
const known = Object.keys(benchmarks).filter((name) => existsSync(fileOf(name)))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bars: { type: 'boolean' }, save: { type: 'boolean' } },
})
const wanted = positionals.length > 0 ? positionals : known
const unknown = wanted.find((name) => !known.includes(name))
if (unknown !== undefined) {
  console.error(`there is no benchmark "${unknown}"; there are ${known.join(', ')}`)
  process.exit(2)
}

/** Runs a benchmark; its details go to the terminal as they come. */
function run(name: string): Promise<readonly Row[]> {
  const child = spawn(process.execPath, [...(benchmarks[name] ?? []), fileOf('one'), name], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  let text = ''
  child.stdio[3]?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      const broken = code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`
      const row: Row = { claim: `benchmark ${name}`, ours: broken ?? '', bar: 'ends', met: false }
      resolve(broken === undefined ? (JSON.parse(text) as readonly Row[]) : [row])
    })
  })
}

const rows: Row[] = []
for (const name of wanted) {
  console.log(`\n══ ${name} ══`)
  rows.push(...(await run(name)))
}
const [{ model } = { model: 'unknown processor' }] = cpus()
const gigabytes = Math.round(totalmem() / 2 ** 30)
const machine = `${cpus().length} x ${model.trim()}, ${gigabytes} GB, ${type()} ${release()}, Node ${process.versions.node}`
const missed = rows.filter(({ met }) => met === false)
const summary = `${rows.filter(({ met }) => met === true).length} of ${rows.length} bars met`
const heading = `${new Date().toISOString().slice(0, 10)}, ${machine}; everything on this one machine: ${summary}.`
const result = `${heading}\n\n${tableOf(rows)}\n`
console.log(`\n${result}`)
if (values.save) {
  const title =
    '# Benchmarks\n\nWritten by `npm run bench -- --save`. The floor is the least that the same work costs in the same run.\n\n'
  writeFileSync(fileURLToPath(new URL('./RESULTS.md', import.meta.url)), title + result)
}
if (missed.length > 0 && (values.bars || missed.some(({ bar }) => bar === 'ends'))) process.exitCode = 1
