/**
 * `npm run fuzz [-- --runs 1000000] [--seed 1] [--node <path>] [--no-browser]`: random rulesets × users, the same in this Node, in another
 * one (`--node`, such as a Node 20) and in Chromium. In each of them no decision throws, each is what a plain model says, and stays when the
 * weight is raised; and all of them decide the same. Fails with the first case that is not so, and the command that repeats it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle } from '../../support/bundle.ts'
import { type BatchResult, batchSize } from './batch.ts'
import { browser, here, otherNode, type Runtime } from './runtimes.ts'

/** Batches that a runtime is asked for at once. */
const stride = 20

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    node: { type: 'string', multiple: true, default: [] },
    browser: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const seed = Number(values.seed)
const batches = Math.ceil(Number(values.runs) / batchSize)
if (!Number.isSafeInteger(seed) || !(batches > 0)) {
  console.error('--runs and --seed must be whole numbers')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'pipit-fuzz-'))
const runtimes: Runtime[] = [here()]
let failed = false
try {
  const entry = fileURLToPath(new URL('./fuzz-entry.ts', import.meta.url))
  const script = join(folder, 'fuzz.mjs')
  await bundle(entry, { file: script, platform: 'browser' })
  for (const path of values.node) runtimes.push(await otherNode(path, script))
  if (values.browser) runtimes.push(await browser(script))
  const all: (readonly BatchResult[])[] = []
  for (const runtime of runtimes) all.push(await runAll(runtime))
  await compare(all)
} finally {
  for (const runtime of runtimes) await runtime.close()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)

async function runAll(runtime: Runtime): Promise<readonly BatchResult[]> {
  const began = performance.now()
  const results: BatchResult[] = []
  while (results.length < batches) {
    const from = results.length
    results.push(...(await runtime.run(seed, from, Math.min(from + stride, batches))))
    const wrong = results.find((result) => result.wrong !== undefined)?.wrong
    if (wrong !== undefined) {
      console.error(`${runtime.name}: ${wrong}`)
      failed = true
      break
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${runtime.name}: ${results.length * batchSize} cases in ${seconds} s, hash ${hashOf(results)}`)
  return results
}

function hashOf(results: readonly BatchResult[]): string {
  return (results.reduce((sum, { hash }) => Math.imul(sum ^ hash, 0x01000193), 0x811c9dc5) >>> 0).toString(16)
}

/** Tells the first case that two runtimes decide differently. */
async function compare([first = [], ...others]: readonly (readonly BatchResult[])[]): Promise<void> {
  for (const [i, other] of others.entries()) {
    const batch = first.findIndex((result, at) => other[at] !== undefined && other[at].hash !== result.hash)
    if (batch < 0) continue
    failed = true
    const [one, two] = [runtimes[0], runtimes[i + 1]] as [Runtime, Runtime]
    const [a, b] = await Promise.all([one.decisions(seed, batch), two.decisions(seed, batch)])
    const at = a.findIndex((decisions, index) => decisions !== b[index])
    console.error(
      `seed ${seed}, batch ${batch}, case ${at}: ${one.name} decides\n${a[at]}${two.name} decides\n${b[at]}`,
    )
  }
}
