/** Longest text of an address: IPv6 written out, with an IPv4 tail. */
const lengthLimit = 45

const dot = 46
const colon = 58

/** The 16-bit groups of the text being read: addresses are read one at a time, and none is kept. */
const groups = new Uint16Array(8)

/**
 * Reads an IPv4 or IPv6 address into four 32-bit words, an IPv4 address as `::ffff:a.b.c.d`, so that both forms of one address are the
 * same. False for anything else: ports, brackets, zone ids, prefixes, leading zeros of an IPv4 part. Allocates nothing.
 */
export function readAddress(text: string, words: Uint32Array): boolean {
  if (text.length < 2 || text.length > lengthLimit) return false
  if (text.indexOf(':') >= 0) return readV6(text, words)
  const address = readV4(text, 0)
  if (address < 0) return false
  words[0] = 0
  words[1] = 0
  words[2] = 0xffff
  words[3] = address
  return true
}

/** The four decimal parts from `start` to the end of the text, as one number; -1 where they are none. */
function readV4(text: string, start: number): number {
  let address = 0
  let parts = 0
  let part = -1
  for (let i = start; i <= text.length; i++) {
    const code = i === text.length ? dot : text.charCodeAt(i)
    if (code === dot) {
      if (part < 0) return -1
      address = address * 256 + part
      parts++
      part = -1
      continue
    }
    // A leading zero is octal to some readers and decimal to others: no such address is taken.
    if (code < 48 || code > 57 || part === 0 || parts === 4) return -1
    part = Math.max(part, 0) * 10 + code - 48
    if (part > 255) return -1
  }
  return parts === 4 ? address : -1
}

function readV6(text: string, words: Uint32Array): boolean {
  let gap = -1
  let count = 0
  let i = 0
  if (text.startsWith('::')) {
    gap = 0
    i = 2
  }
  while (i < text.length) {
    const end = endOfGroup(text, i)
    if (end === i || end - i > 4 || count === 8) return false
    if (end < text.length && text.charCodeAt(end) === dot)
      return readTail(text, i, count) && spread(gap, count + 2, words)
    groups[count++] = groupOf(text, i, end)
    if (end === text.length) break
    if (text.charCodeAt(end) !== colon || end + 1 === text.length) return false
    i = end + 1
    if (text.charCodeAt(i) !== colon) continue
    if (gap >= 0) return false
    gap = count
    i++
  }
  return spread(gap, count, words)
}

/** Reads an IPv4 address at the end of an IPv6 one as two groups. */
function readTail(text: string, start: number, count: number): boolean {
  const tail = count > 6 ? -1 : readV4(text, start)
  if (tail < 0) return false
  groups[count] = tail >>> 16
  groups[count + 1] = tail & 0xffff
  return true
}

/** The value of a hexadecimal digit, or -1. */
function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

function endOfGroup(text: string, start: number): number {
  let end = start
  while (end < text.length && digitOf(text.charCodeAt(end)) >= 0) end++
  return end
}

function groupOf(text: string, start: number, end: number): number {
  let value = 0
  for (let i = start; i < end; i++) value = value * 16 + digitOf(text.charCodeAt(i))
  return value
}

/** Puts the groups that were read into the words, with zeros where `::` stood: for one group at least. */
function spread(gap: number, count: number, words: Uint32Array): boolean {
  if (gap < 0 ? count !== 8 : count === 8) return false
  const zeros = 8 - count
  const at = (index: number): number => {
    if (gap < 0 || index < gap) return groups[index] as number
    return index < gap + zeros ? 0 : (groups[index - zeros] as number)
  }
  for (let i = 0; i < 4; i++) words[i] = at(2 * i) * 0x10000 + at(2 * i + 1)
  return true
}
