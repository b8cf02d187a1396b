import { Fault, type JsonRecord, list, record, text } from './check.ts'
import { type OutcomeCell, type OutcomeKind, outcomeKinds, wireLimits } from './messages.ts'
import { decodeKind } from './outcome-text.ts'

type Kinds = NonNullable<OutcomeCell['kinds']>

/** A gap and a number of the longest text in each of the buckets. */
const maxText = 256 * 22

/** Failures by kind, not more of a kind in a bucket than it has failures. Throws `Fault`. */
export function readKinds(source: JsonRecord, rows: Pick<OutcomeCell, 'buckets' | 'columns'>, path: string): Kinds {
  const found: { [K in OutcomeKind]?: readonly number[] } = {}
  for (const kind of Object.keys(source)) {
    const at = `${path}.kinds.${kind}`
    if (!isKind(kind)) throw new Fault(at, `is no kind of failure; there are ${outcomeKinds.join(', ')}`)
    found[kind] = decodeKind(text(source, kind, `${path}.kinds`, maxText), rows, at)
  }
  return found
}

const isKind = (kind: string): kind is OutcomeKind => (outcomeKinds as readonly string[]).includes(kind)

function whole(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new Fault(path, 'must be a whole number of at least 0')
  }
  return value
}

/** Sums `[n, failed, timed, over…]` by attribute and value. Throws `Fault`. */
export function readSlices(source: JsonRecord, columns: number, path: string): NonNullable<OutcomeCell['slices']> {
  const at = `${path}.slices`
  const found = Object.entries(bounded(source, at, wireLimits.slices)).map(([attribute, values]) => {
    const inside = `${at}.${attribute}`
    // The rest is under a value of its own.
    const byValue = bounded(record(values, inside), inside, wireLimits.sliceValues + 1)
    return [attribute, Object.fromEntries(Object.keys(byValue).map((value) => sums(byValue, value, inside, columns)))]
  })
  return Object.fromEntries(found) as NonNullable<OutcomeCell['slices']>
}

function sums(source: JsonRecord, value: string, path: string, columns: number): [string, readonly number[]] {
  const at = `${path}.${value}`
  const numbers = list(source, value, path, columns - 1)?.map((item, i) => whole(item, `${at}[${i}]`)) ?? []
  const [n = 0, failed = 0, timed = 0, ...over] = numbers
  if (numbers.length !== columns - 1) throw new Fault(at, `must have ${columns - 1} numbers; it has ${numbers.length}`)
  if (failed > n || timed > n || over.some((count) => count > timed)) {
    throw new Fault(at, 'must have failed ≤ n, timed ≤ n and no more exceedances than timed outcomes')
  }
  return [value, numbers]
}

/** Values that units have in common. Throws `Fault`. */
export function readSlice(source: JsonRecord, path: string): { readonly [attribute: string]: string } {
  const at = `${path}.slice`
  const found = Object.entries(bounded(source, at, wireLimits.slices)).map(([attribute, value]) => {
    if (typeof value !== 'string' || value.length > wireLimits.sliceValueLength) {
      throw new Fault(`${at}.${attribute}`, `must be a text of at most ${wireLimits.sliceValueLength} characters`)
    }
    return [attribute, value] as const
  })
  return Object.fromEntries(found)
}

/** A record of few and short names. */
function bounded(source: JsonRecord, path: string, limit: number): JsonRecord {
  const names = Object.keys(source)
  if (names.length > limit) throw new Fault(path, `has ${names.length} entries; at most ${limit} are taken`)
  const long = names.find((name) => name.length > wireLimits.sliceValueLength)
  if (long !== undefined) throw new Fault(path, `has a name of more than ${wireLimits.sliceValueLength} characters`)
  return source
}
