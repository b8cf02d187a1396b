import { NumberReader, numberText } from '../base/index.ts'
import { Fault } from './check.ts'
import type { OutcomeCell } from './messages.ts'

type Rows = Pick<OutcomeCell, 'buckets' | 'columns'>

const userBuckets = 256
/** With more rows than this, n stands for every bucket in turn, which saves the gaps. */
const mostSparse = 192
const maxThresholds = 16

/**
 * The rows of a cell as text. Numbers are written by `numberText`, one after the other, in `columns - 1` parts with dots between:
 *
 * - n: pairs of the gap to the row before and n; or `*` and n of each bucket in turn, where a zero is followed by how many more follow it;
 * - failed, then n - timed, then over_0 … over_k: pairs of the gap and the number, for the rows where it is not zero. A gap counts rows.
 */
export function encodeRows({ buckets, columns }: Rows): string {
  const rows = buckets.length / columns
  const parts = [rows > mostSparse ? `*${everyBucket(buckets, columns)}` : sparse(buckets, columns)]
  for (let i = 2; i < columns; i++) {
    parts.push(
      pairs(rows, (row) => (i === 3 ? at(buckets, row * columns + 1) : 0) + sign(i) * at(buckets, row * columns + i)),
    )
  }
  return parts.join('.')
}

const at = (list: readonly number[], index: number): number => list[index] as number
/** Almost every outcome carries a latency: what is told is how many do not. */
const sign = (column: number): number => (column === 3 ? -1 : 1)

function sparse(buckets: readonly number[], columns: number): string {
  let text = ''
  let previous = -1
  for (let row = 0; row < buckets.length; row += columns) {
    const bucket = at(buckets, row)
    text += numberText(bucket - previous - 1) + numberText(at(buckets, row + 1))
    previous = bucket
  }
  return text
}

function everyBucket(buckets: readonly number[], columns: number): string {
  let text = ''
  let next = 0
  for (let row = 0; row < buckets.length; row += columns) {
    const empty = at(buckets, row) - next
    if (empty > 0) text += numberText(0) + numberText(empty - 1)
    text += numberText(at(buckets, row + 1))
    next = at(buckets, row) + 1
  }
  return text
}

/** Gap and value of those of a list that are not zero. */
function pairs(length: number, valueAt: (index: number) => number): string {
  let text = ''
  let previous = -1
  for (let i = 0; i < length; i++) {
    const value = valueAt(i)
    if (value === 0) continue
    text += numberText(i - previous - 1) + numberText(value)
    previous = i
  }
  return text
}

/** The rows of a text, whose number of columns is that of its parts. One table has one text. Throws `Fault`. */
export function decodeRows(text: string, path: string): Rows {
  const parts = countParts(text)
  if (parts < 3 || parts > 3 + maxThresholds) {
    throw new Fault(path, `must have 3 to ${3 + maxThresholds} parts with dots between; it has ${parts}`)
  }
  const columns = parts + 1
  const isDense = text.startsWith('*')
  const reader = new NumberReader(isDense ? text.slice(1) : text)
  const buckets: number[] = []
  if (isDense) readEveryBucket(reader, { buckets, columns }, path)
  else readSparse(reader, { buckets, columns }, path)
  const rows = buckets.length / columns
  if (rows === 0) throw new Fault(path, 'must have at least one row')
  if (isDense !== rows > mostSparse) {
    throw new Fault(path, `must begin with * where it has more than ${mostSparse} rows, and only there; it has ${rows}`)
  }
  for (let column = 2; column < columns; column++) readColumn(reader, { buckets, columns, column }, path)
  return { buckets, columns }
}

function countParts(text: string): number {
  let parts = 1
  for (let dot = text.indexOf('.'); dot >= 0; dot = text.indexOf('.', dot + 1)) parts++
  return parts
}

interface Table {
  readonly buckets: number[]
  readonly columns: number
}

function addRow({ buckets, columns }: Table, bucket: number, n: number): void {
  buckets.push(bucket, n, 0, n)
  for (let i = 4; i < columns; i++) buckets.push(0)
}

function readSparse(reader: NumberReader, table: Table, path: string): void {
  let bucket = -1
  while (!reader.partIsOver) {
    const gap = reader.next()
    const n = reader.next()
    bucket += gap + 1
    if (gap < 0 || n < 0)
      throw new Fault(path, `must be made of whole numbers in their shortest text; near row ${bucket} it is not`)
    if (bucket >= userBuckets) throw new Fault(path, `must name buckets from 0 to ${userBuckets - 1}`)
    if (n < 1) throw new Fault(path, `must have n ≥ 1 in each row; bucket ${bucket} has none`)
    addRow(table, bucket, n)
  }
}

function readEveryBucket(reader: NumberReader, table: Table, path: string): void {
  let bucket = 0
  let mayBeEmpty = true
  while (!reader.partIsOver) {
    const n = reader.next()
    const more = n === 0 ? reader.next() : 0
    if (n < 0 || more < 0)
      throw new Fault(path, `must be made of whole numbers in their shortest text; at bucket ${bucket} it is not`)
    if (n > 0) addRow(table, bucket, n)
    else if (!mayBeEmpty)
      throw new Fault(path, `must tell all empty buckets in a row at once; at bucket ${bucket} it does not`)
    mayBeEmpty = n > 0
    bucket += 1 + more
    if (bucket > userBuckets) throw new Fault(path, `must name buckets from 0 to ${userBuckets - 1}`)
  }
  if (!mayBeEmpty) throw new Fault(path, 'must not tell empty buckets after the last row')
}

/** Failed, n - timed, or one of over. */
function readColumn(
  reader: NumberReader,
  { buckets, columns, column }: Table & { readonly column: number },
  path: string,
): void {
  if (!reader.nextPart()) throw new Fault(path, 'must have whole numbers and dots alone')
  const rows = buckets.length / columns
  const most = column > 3 ? 3 : 1
  let row = -1
  while (!reader.partIsOver) {
    const gap = reader.next()
    const value = reader.next()
    row += gap + 1
    if (gap < 0 || value < 1) {
      throw new Fault(
        path,
        `must be made of whole numbers in their shortest text, and name no zeros; near row ${row} it is not`,
      )
    }
    if (row >= rows) throw new Fault(path, `must name rows below ${rows}; ${nameOf(column)} names row ${row}`)
    const place = row * columns
    if (value > at(buckets, place + most)) {
      throw new Fault(
        path,
        `must not have more ${nameOf(column)} than ${most === 1 ? 'n' : 'timed'}; bucket ${buckets[place]} has`,
      )
    }
    buckets[place + column] = column === 3 ? at(buckets, place + 1) - value : value
  }
  if (column === columns - 1 && !reader.isOver) throw new Fault(path, 'must end with its last part')
}

const nameOf = (column: number): string => (column === 2 ? 'failed' : column === 3 ? 'untimed' : `over_${column - 4}`)

/** Failures of one kind as text: pairs of gap and count; a gap counts the rows that have failures. */
export function encodeKind(kind: readonly number[], rows: Rows): string {
  const failed = rowsWithFailures(rows)
  const counts = new Map<number, number>()
  for (let i = 0; i < kind.length; i += 2) counts.set(at(kind, i), at(kind, i + 1))
  return pairs(failed.length, (i) => counts.get(at(rows.buckets, at(failed, i))) ?? 0)
}

/** The pairs of bucket and count that a text is, not more than the bucket has failures. Throws `Fault`. */
export function decodeKind(text: string, rows: Rows, path: string): number[] {
  const failed = rowsWithFailures(rows)
  const reader = new NumberReader(text)
  const kind: number[] = []
  let index = -1
  while (!reader.isOver) {
    const gap = reader.next()
    const value = reader.next()
    index += gap + 1
    if (gap < 0 || value < 1) {
      throw new Fault(path, 'must be made of whole numbers in their shortest text, and name no zeros')
    }
    if (index >= failed.length)
      throw new Fault(path, `must name rows with failures, of which there are ${failed.length}`)
    const place = at(failed, index)
    const bucket = at(rows.buckets, place)
    if (value > at(rows.buckets, place + 2)) {
      throw new Fault(
        path,
        `must not be more than the failures of a bucket; bucket ${bucket} has ${rows.buckets[place + 2]}`,
      )
    }
    kind.push(bucket, value)
  }
  return kind
}

/** Where they begin. */
function rowsWithFailures({ buckets, columns }: Rows): number[] {
  const found: number[] = []
  for (let row = 0; row < buckets.length; row += columns) if (at(buckets, row + 2) > 0) found.push(row)
  return found
}

/** How a cell stands in the JSON of a report: its tables are texts, which say by themselves how many columns they have. */
export function encodeCell({ columns, buckets, kinds, ...cell }: OutcomeCell): object {
  const rows = { columns, buckets }
  if (kinds === undefined) return { ...cell, buckets: encodeRows(rows) }
  const texts = Object.entries(kinds).map(([kind, failures]) => [kind, encodeKind(failures, rows)])
  return { ...cell, buckets: encodeRows(rows), kinds: Object.fromEntries(texts) }
}
