import { readFileSync } from 'node:fs'

/** A golden file for tests: its cases, and the closeness it asks for. */
export function golden<Cases>(name: string): {
  readonly cases: Cases
  readonly isNear: (got: number | undefined, want: number | string | null) => boolean
} {
  const file = new URL(`./${name}.json`, import.meta.url)
  const { meta, cases } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly meta: { readonly rtol: number; readonly atol: number }
    readonly cases: Cases
  }
  return {
    cases,
    isNear(got, want) {
      if (want === null) return got === undefined
      const target =
        want === 'Infinity' ? Number.POSITIVE_INFINITY : want === '-Infinity' ? Number.NEGATIVE_INFINITY : want
      if (got === undefined || typeof target === 'string') return false
      return got === target || Math.abs(got - target) <= meta.atol + meta.rtol * Math.abs(target)
    },
  }
}
