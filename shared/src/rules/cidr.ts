import { readAddress } from './ip-address.ts'

/** Bits before an IPv4 address in its IPv6 form `::ffff:a.b.c.d`. */
const mappedBits = 96
/** 32-bit words of an address. */
const size = 4

const example = 'write such as "10.0.0.0/8" or "2001:db8::/32"'

/** The first and the last address of a range, four words each. */
type Range = Uint32Array

/** Why a text is no range of addresses; undefined when it is one. */
export function cidrFault(text: unknown): string | undefined {
  if (typeof text !== 'string') return `must be a range of addresses; ${example}`
  const parsed = parseCidr(text)
  return typeof parsed === 'string' ? parsed : undefined
}

/**
 * Compiles ranges such as `10.0.0.0/8` and `2001:db8::/32` into a test of an address given as text; an address alone is a range of one.
 * Bits behind the prefix are left out: `10.1.2.3/8` is `10.0.0.0/8`. IPv4 addresses are compared as `::ffff:a.b.c.d`. What is no
 * address is in no range. Undefined when one of the texts is no range. The time of a look-up grows with the logarithm of their number.
 */
export function compileCidrs(texts: readonly unknown[]): ((address: string) => boolean) | undefined {
  const ranges: Range[] = []
  for (const text of texts) {
    const range = typeof text === 'string' ? parseCidr(text) : ''
    if (typeof range === 'string') return undefined
    ranges.push(range)
  }
  const table = tableOf(ranges)
  const words = new Uint32Array(size)
  return (address) => {
    if (!readAddress(address, words)) return false
    const index = lastFrom(table, words)
    return index >= 0 && compareWords(words, 0, table, index * 2 * size + size) <= 0
  }
}

/** The range, or what is wrong with it. */
function parseCidr(text: string): Range | string {
  if (text.includes('%')) return 'names a zone, which is known on one machine only; leave out % and what follows'
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const range = new Uint32Array(2 * size)
  if (!readAddress(address, range)) return `is no range of IP addresses; ${example}`
  const isV6 = address.includes(':')
  const bits = isV6 ? 128 : 32
  const prefix = slash < 0 ? String(bits) : text.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits)
    return `has the prefix "/${prefix.slice(0, 8)}"; that of an ${isV6 ? 'IPv6' : 'IPv4'} range is a number from 0 to ${bits}`
  spanBlock(range, Number(prefix) + (isV6 ? 0 : mappedBits))
  return range
}

/** Turns the address at the front of `range` into the block of its first `prefix` bits. */
function spanBlock(range: Range, prefix: number): void {
  for (let i = 0; i < size; i++) {
    const kept = Math.min(32, Math.max(0, prefix - 32 * i))
    const open = kept === 32 ? 0 : 0xffff_ffff >>> kept
    const word = range[i] as number
    range[i] = word & ~open
    range[size + i] = word | open
  }
}

function compareWords(a: Uint32Array, atA: number, b: Uint32Array, atB: number): number {
  for (let i = 0; i < size; i++) {
    const difference = (a[atA + i] as number) - (b[atB + i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

/** The ranges in order, without those inside another: two blocks are apart, or one lies in the other. */
function tableOf(ranges: readonly Range[]): Uint32Array {
  const ordered = ranges.toSorted((a, b) => compareWords(a, 0, b, 0) || compareWords(b, size, a, size))
  const outer: Range[] = []
  for (const range of ordered) {
    const last = outer.at(-1)
    if (last === undefined || compareWords(range, size, last, size) > 0) outer.push(range)
  }
  const table = new Uint32Array(outer.length * 2 * size)
  outer.forEach((range, i) => {
    table.set(range, i * 2 * size)
  })
  return table
}

/** Index of the last range of the table that begins at the address or before it; -1 when none does. */
function lastFrom(table: Uint32Array, words: Uint32Array): number {
  let low = 0
  let high = table.length / (2 * size)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareWords(words, 0, table, middle * 2 * size) < 0) high = middle
    else low = middle + 1
  }
  return low - 1
}
