import { deflateSync, inflateSync } from 'node:zlib'
import type { JudgeInput } from '../analysis/index.ts'

/** What a decision was taken on. */
export interface DecisionEvidence {
  readonly input: JudgeInput
  /** The last time bucket in the judge's memory: what came later was not known. */
  readonly through: number
}

/**
 * The input of a judgement as compact bytes and back, exactly: JSON with bucket tables as base64 of their doubles, deflated. Some tens of
 * kilobytes for a rollout of five metrics.
 */
export function encodeEvidence(evidence: DecisionEvidence): Uint8Array {
  return deflateSync(JSON.stringify(evidence, pack))
}

/** Undefined where the bytes are no such thing. */
export function decodeEvidence(bytes: Uint8Array): DecisionEvidence | undefined {
  try {
    return JSON.parse(inflateSync(bytes, { maxOutputLength: largest }).toString('utf8'), unpack) as DecisionEvidence
  } catch {
    return undefined
  }
}

/** A file that somebody sends must not fill the memory. */
const largest = 256 * 1024 * 1024
const mark = 'float64:'

function pack(_key: string, value: unknown): unknown {
  if (!(value instanceof Float64Array)) return value
  return `${mark}${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}`
}

function unpack(_key: string, value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith(mark)) return value
  return new Float64Array(Uint8Array.from(Buffer.from(value.slice(mark.length), 'base64')).buffer)
}
