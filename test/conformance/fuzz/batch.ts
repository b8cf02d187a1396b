import fc from 'fast-check'
import { checkCase } from './check-case.ts'
import { type FuzzCase, fuzzCase } from './fuzz-case.ts'

/** Cases of one batch: what is compared between runtimes at once. */
export const batchSize = 1000

export interface BatchResult {
  /** Of all decisions in it, in order. */
  readonly hash: number
  readonly wrong?: string
}

/** The cases of a batch, which are the same in every runtime. */
export function casesOf(seed: number, batch: number, size: number = batchSize): readonly FuzzCase[] {
  return fc.sample(fuzzCase, { seed: (seed + Math.imul(batch, 0x9e3779b9)) | 0, numRuns: size })
}

/** What a batch comes to here; stops at the first case that is wrong. */
export function runBatch(seed: number, batch: number, size: number = batchSize): BatchResult {
  let hash = 0x811c9dc5
  const cases = casesOf(seed, batch, size)
  for (let i = 0; i < cases.length; i++) {
    const { decisions, wrong } = checkCase(cases[i] as FuzzCase)
    for (let at = 0; at < decisions.length; at++) hash = Math.imul(hash ^ decisions.charCodeAt(at), 0x01000193)
    if (wrong !== undefined) return { hash, wrong: `seed ${seed}, batch ${batch}, case ${i}: ${wrong}` }
  }
  return { hash }
}

/** The decisions of each case of a batch, to find the first that differs between runtimes. */
export function decisionsOf(seed: number, batch: number): readonly string[] {
  return casesOf(seed, batch).map((fuzzed) => checkCase(fuzzed).decisions)
}
