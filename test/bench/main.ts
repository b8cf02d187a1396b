/**
 * `npm run bench [-- <names>] [--bars] [--save]`: each benchmark in a process of its own, one after the other, and at the end one table of
 * what is claimed, what was measured, and the bar. `--bars` fails where a bar was missed; `--save` keeps what was measured, by
 * benchmark, in `results.json` and in the README.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { merged, quotedIn, type Results, readmeFile, readResults, resultsFile, told } from './results.ts'
import type { Row } from './row.ts'

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

const [{ model } = { model: 'unknown processor' }] = cpus()
const gigabytes = Math.round(totalmem() / 2 ** 30)
const machine = `${cpus().length} x ${model.trim()}, ${gigabytes} GB, ${type()} ${release()}, Node ${process.versions.node}`
const benched: { [name: string]: Results['benchmarks'][string] } = {}
for (const name of wanted) {
  console.log(`\n══ ${name} ══`)
  benched[name] = { date: new Date().toISOString().slice(0, 10), rows: await run(name) }
}
console.log(`\n${told({ machine, benchmarks: benched }, wanted)}`)
if (values.save) {
  // What ended before its time says nothing about what was measured before.
  const whole = Object.entries(benched).filter(([, { rows }]) => !rows.some(({ bar }) => bar === 'ends'))
  save(merged(existsSync(resultsFile) ? readResults() : undefined, machine, Object.fromEntries(whole)))
}
const missed = Object.values(benched).flatMap((each) => each.rows.filter(({ met }) => met === false))
if (missed.length > 0 && (values.bars || missed.some(({ bar }) => bar === 'ends'))) process.exitCode = 1

function save(results: Results): void {
  writeFileSync(resultsFile, `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(readmeFile, quotedIn(readFileSync(readmeFile, 'utf8'), results))
  spawnSync('biome', ['format', '--write', fileURLToPath(resultsFile)], { stdio: 'ignore' })
}
