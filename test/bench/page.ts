/**
 * `npm run bench -- page` (after `npm run build`): the SDK for pages in Chromium, as it is built. What a decision costs beside the hash alone (the fast one of servers),
 * and how long a fresh page takes from the start of its script to a decision from its bootstrap. Exits with 1 where a bar is missed.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PageRuleset } from '@pipit/shared/protocol'
import type { Browser } from 'playwright-core'
import { bundle } from '../support/bundle.ts'
import { launchChromium } from '../support/chromium.ts'
import type { Row } from './row.ts'
import { printTimings, type Timing } from './side-by-side.ts'

const most = { ratio: 2, startMs: 1 } as const
const starts = 20

const root = new URL('../../', import.meta.url)
const built = (file: string): string => readFileSync(new URL(`sdk-browser/dist/${file}`, root), 'utf8')
const client = built('pipit.js')

const ruleset: PageRuleset = {
  version: 1,
  rollouts: Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [
      `rollout-${i}`,
      {
        ...{
          phase: 'running',
          salt: `salt-${String(i).padStart(11, '0')}`,
          hash: 1,
          epoch: 1,
          stage: 'half',
          weight: 50,
        },
        ...{ canary: 'canary', payloads: { canary: { colour: 'green' } } },
      },
    ]),
  ),
}
const options = { url: 'http://127.0.0.1:9', key: 'web_bench', rollout: 'rollout-7', user: 'user-1000123' }

const html = (body: string): string =>
  `<!doctype html><title>bench</title><script type="application/json" id="ruleset">${JSON.stringify(ruleset)}</script>${body}`
const create = `pipit.createClient({ ...${JSON.stringify(options)}, bootstrap: JSON.parse(document.getElementById('ruleset').textContent) })`

/** All loops see one callee each, and users that are as long; each round times all, in an order that turns. */
const loops = `
const { murmur3 } = await import('/hash.js')
const sdk = ${create}
const count = 50_000
const ids = Array.from({ length: count }, (_, i) => 'user-' + (1_000_000 + ((i * 7919) % count)))
const user = { id: 'user-1000123', plan: 'beta' }
let sink = 0
const candidates = [
  ['the hash alone', () => { for (let i = 0; i < count; i++) sink += murmur3('salt-00000000007' + ids[i], 0) }],
  ['sdk.variant()', () => { for (let i = 0; i < count; i++) sink += sdk.variant().length }],
  ['sdk.variant(user, key)', () => { for (let i = 0; i < count; i++) sink += sdk.variant(user, 'rollout-7').length }],
  ['refresh(), then sdk.variant()', () => { for (let i = 0; i < count; i++) { sdk.refresh(); sink += sdk.variant().length } }],
]
const times = candidates.map(() => [])
for (let round = -3; round < 31; round++) {
  for (let i = 0; i < candidates.length; i++) {
    const at = (i + round + 5) % candidates.length
    const began = performance.now()
    candidates[at][1]()
    if (round >= 0) times[at].push(((performance.now() - began) * 1e6) / count)
  }
}
window.done = { sink, isolated: crossOriginIsolated, times: times.map((own, i) => [candidates[i][0], own.sort((a, b) => a - b)]) }
`

/** Serves these alone, isolated: a page that is not has a clock of 0.1 ms. */
async function open(browser: Browser, served: { readonly [path: string]: string }) {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.routeWebSocket(/./, () => {})
  await page.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url())
    return route.fulfill({
      contentType: pathname.endsWith('.js') ? 'text/javascript' : 'text/html',
      body: served[pathname] ?? '',
      headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    })
  })
  await page.goto('http://127.0.0.1/')
  await page.waitForFunction('window.done !== undefined')
  const done: unknown = await page.evaluate('window.done')
  await context.close()
  return done
}

async function timesOfCalls(browser: Browser, hash: string): Promise<readonly Timing[]> {
  const { isolated, times } = (await open(browser, {
    '/': html('<script src="/pipit.js"></script><script type="module" src="/loops.js"></script>'),
    ...{ '/pipit.js': client, '/hash.js': hash, '/loops.js': loops },
  })) as { isolated: boolean; times: readonly (readonly [string, readonly number[]])[] }
  if (!isolated) throw new Error('the page is not isolated: its clock is too coarse')
  const median = (own: readonly number[]): number => own[Math.floor(own.length / 2)] as number
  const floor = median(times[0]?.[1] ?? [])
  return times.map(([name, own]) => ({
    ...{ name, nanoseconds: median(own), best: own[0] as number, ratio: median(own) / floor },
  }))
}

/** The whole client as a script, and deciding alone as a module: both with the application's own lines in the same file, as bundled. */
const startPages = {
  'reading the bootstrap, without Pipit': {
    '/': html('<script src="/app.js"></script>'),
    '/app.js': `const began = performance.now();
const { canary } = JSON.parse(document.getElementById('ruleset').textContent).rollouts['rollout-7']
window.done = [performance.now() - began, canary]`,
  },
  'the whole client': {
    '/': html('<script src="/app.js"></script>'),
    '/app.js': `const began = performance.now();${client};const variant = ${create}.variant()
window.done = [performance.now() - began, variant]`,
  },
  'deciding alone': {
    '/': html('<script type="module" src="/app.js"></script>'),
    '/app.js': `const began = performance.now();${built('decide.js').replace(/export\s*\{(.*?)\};?/s, '')}
const found = JSON.parse(document.getElementById('ruleset').textContent)
const done = DECIDE(found, 'rollout-7', 'user-1000123').variant
window.done = [performance.now() - began, done]`.replace('DECIDE', exportedName('decide')),
  },
} as const

/** What `decide.js` calls a thing that it exports by another name. */
function exportedName(name: string): string {
  const [, own] = new RegExp(`export\\s*\\{[^}]*?([\\w$]+) as ${name}\\b`).exec(built('decide.js')) ?? []
  if (own === undefined) throw new Error(`decide.js exports no ${name}`)
  return own
}

/** Milliseconds from the first line of the script to the decision, in contexts that have seen nothing of it. */
async function startTimes(browser: Browser, page: { readonly [path: string]: string }): Promise<readonly number[]> {
  const took: number[] = []
  for (let i = 0; i < starts; i++) {
    const [ms, variant] = (await open(browser, page)) as [number, string]
    if (variant !== 'canary' && variant !== 'stable') throw new Error(`decided ${variant}`)
    took.push(ms)
  }
  return took.sort((a, b) => a - b)
}

const found: Row[] = []
const directory = mkdtempSync(join(tmpdir(), 'pipit-bench-page-'))
const browser = await launchChromium()
try {
  const file = join(directory, 'hash.js')
  await bundle(fileURLToPath(new URL('shared/src/hash/index.ts', root)), { file, platform: 'browser' })
  const timings = await timesOfCalls(browser, readFileSync(file, 'utf8'))
  printTimings(`Chromium ${browser.version()}: the client against the hash alone (12-character ids)`, timings)
  const floor = `${timings[0]?.nanoseconds.toFixed(1)} ns`
  for (const { name, nanoseconds, ratio } of timings.slice(1, 3))
    found.push({
      ...{ claim: `page: ${name} against the hash alone`, ours: `${nanoseconds.toFixed(1)} ns`, floor, ratio },
      ...{ bar: `at most ${most.ratio} x`, met: ratio <= most.ratio },
    })
  console.log(`\nscript start to a bootstrapped decision, ${starts} fresh contexts, 10 rollouts`)
  for (const [name, page] of Object.entries(startPages)) {
    const took = await startTimes(browser, page)
    const [median, worst] = [took[starts / 2], took.at(-1)] as [number, number]
    console.log(`  ${name.padEnd(44)} median ${median.toFixed(2)} ms, worst ${worst.toFixed(2)} ms`)
    found.push({
      ...{ claim: `page: start of the script to the first decision, ${name}`, ours: `${median.toFixed(2)} ms` },
      ...{ bar: `at most ${most.startMs} ms`, met: median <= most.startMs },
    })
  }
} finally {
  await browser.close()
  rmSync(directory, { recursive: true, force: true })
}

export const rows = (): Promise<readonly Row[]> => Promise.resolve(found)
