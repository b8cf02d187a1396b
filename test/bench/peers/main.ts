/**
 * `npm run bench:peers [-- --node <path>] [peer …]`: the task of `decision-task.ts` by other SDKs and by ours, through the public API of
 * each. One process for each peer and number of rollouts, in which ours, a hand-written closure and the peer take turns; of this Node, or
 * of the one that is named. Fails when a bar is missed.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle } from '../../support/bundle.ts'
import type { Measured } from './one.ts'
import { peers } from './sdks/index.ts'

const counts = [1, 100, 1000]
const { values, positionals } = parseArgs({ options: { node: { type: 'string' } }, allowPositionals: true })
const node = values.node ?? process.execPath
const wanted = positionals.length > 0 ? positionals : Object.keys(peers)

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
// An older Node cannot strip types. Beside the packages, so that they are found.
const script = here('./node_modules/.one.mjs')
await bundle(here('./one.ts'), { file: script, platform: 'node', external: ['@pipit/sdk-node', ...packages()] })

function packages(): string[] {
  return Object.keys(
    (JSON.parse(readFileSync(here('./package.json'), 'utf8')) as { dependencies: object }).dependencies,
  )
}

function versionOf(name: string): string {
  return (JSON.parse(readFileSync(here(`./node_modules/${name}/package.json`), 'utf8')) as { version: string }).version
}

function measure(name: string, count: number): Measured {
  const done = spawnSync(node, [script, name, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (done.status !== 0) throw new Error(`${name} with ${count} rollouts ended with ${done.status ?? done.signal}`)
  return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '') as Measured
}

const ns = (value: number): string => Math.round(value).toLocaleString('en')
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const row = (cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`)

let missed = 0
const oursAll = counts.map((): [number[], number[]] => [[], []])
const floorAll = counts.map((): [number[], number[]] => [[], []])

const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
console.log(`Node ${version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${process.platform} ${process.arch}.`)
console.log(
  'Nanoseconds for one decision, the quickest of 9 rounds: one rollout of N / all N in turn; × is peer by ours, the lowest of all six.\n',
)
row([
  'peer',
  'version',
  'call',
  'set up',
  'canary by split',
  ...counts.map((count) => (count === 1 ? '1 rollout' : `${count} rollouts`)),
  '×',
  'bar',
  '',
])
row(Array.from({ length: counts.length + 8 }, () => '---'))
for (const name of wanted) {
  const peer = peers[name]
  if (peer === undefined) {
    console.error(`there is no peer "${name}"; there are ${Object.keys(peers).join(', ')}`)
    process.exit(2)
  }
  const found = counts.map((count) => measure(name, count))
  found.forEach((one, i) => {
    for (const at of [0, 1] as const) {
      oursAll[i]?.[at].push(one.ours[at])
      floorAll[i]?.[at].push(one.floor[at])
    }
  })
  const ratio = Math.min(...found.flatMap((one) => [one.peer[0] / one.ours[0], one.peer[1] / one.ours[1]]))
  const wrong = found.find((one) => one.wrong !== undefined)?.wrong
  const verdict = wrong !== undefined ? `wrong answers: ${wrong}` : ratio >= peer.bar ? 'met' : 'MISSED'
  if (verdict !== 'met') missed++
  row([
    peer.package,
    versionOf(peer.package),
    peer.call,
    peer.setUp,
    `${found.map((one) => (100 * one.share).toFixed(2)).join(' / ')} %`,
    ...found.map((one) => `${ns(one.peer[0])} / ${ns(one.peer[1])}`),
    ratio.toFixed(1),
    peer.bar,
    verdict,
  ])
}
for (const [name, all] of [
  ['@pipit/sdk-node `sdk.variant(user, key)`', oursAll],
  ['hand-written closure', floorAll],
] as const) {
  const cells = all.map(([one, turn]) => `${median(one).toFixed(0)} / ${median(turn).toFixed(0)}`)
  row([name, '', '', name.startsWith('@') ? 'bootstrap, no server, exposures counted' : '', '', ...cells, '', '', ''])
}
if (missed > 0) {
  console.error(`\n${missed} missed`)
  process.exit(1)
}
