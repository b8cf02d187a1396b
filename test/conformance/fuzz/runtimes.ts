import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import chromium from '@sparticuz/chromium'
import { chromium as playwright } from 'playwright-core'
import { type BatchResult, decisionsOf, runBatch } from './batch.ts'
import type { FuzzApi } from './fuzz-entry.ts'

/** A place that batches are run in. */
export interface Runtime {
  readonly name: string
  readonly run: (seed: number, from: number, to: number) => Promise<readonly BatchResult[]>
  readonly decisions: (seed: number, batch: number) => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

/** This process, from the source. */
export function here(): Runtime {
  return {
    name: `Node ${process.version}`,
    run: async (seed, from, to) => Array.from({ length: to - from }, (_, i) => runBatch(seed, from + i)),
    decisions: async (seed, batch) => decisionsOf(seed, batch),
    close: async () => {},
  }
}

const execute = promisify(execFile)

/** Another Node, with a bundle of `fuzz-entry.ts`. */
export async function otherNode(path: string, script: string): Promise<Runtime> {
  const call = async (...args: readonly (string | number)[]): Promise<string> =>
    (await execute(path, [script, ...args.map(String)], { maxBuffer: 1e9 })).stdout
  return {
    name: `Node ${(await execute(path, ['--version'])).stdout.trim()}`,
    async run(seed, from, to) {
      const lines = (await call(seed, from, to)).trim().split('\n')
      return lines.map((line) => JSON.parse(line) as BatchResult)
    },
    decisions: async (seed, batch) => JSON.parse(await call(seed, batch, 'decisions')) as readonly string[],
    close: async () => {},
  }
}

/** Chromium, with the same bundle in an empty page. */
export async function browser(script: string): Promise<Runtime> {
  const launched = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ['--no-sandbox', '--no-zygote', '--disable-gpu'],
    headless: true,
  })
  const page = await launched.newPage()
  await page.addScriptTag({ type: 'module', content: await readFile(script, 'utf8') })
  await page.waitForFunction(() => 'pipitFuzz' in globalThis)
  return {
    name: `Chromium ${launched.version()}`,
    run: (seed, from, to) =>
      page.evaluate(
        ([one, first, last]) => {
          const { pipitFuzz } = globalThis as unknown as { pipitFuzz: FuzzApi }
          return Array.from({ length: last - first }, (_, i) => pipitFuzz.runBatch(one, first + i))
        },
        [seed, from, to] as const,
      ),
    decisions: (seed, batch) =>
      page.evaluate(
        ([one, which]) => (globalThis as unknown as { pipitFuzz: FuzzApi }).pipitFuzz.decisionsOf(one, which),
        [seed, batch] as const,
      ),
    close: () => launched.close(),
  }
}
