/** Where a JSON text goes wrong: `position` counts UTF-16 units from 0, line and column from 1. */
export interface JsonFault {
  readonly kind: 'malformed' | 'too-deep'
  readonly position: number
  readonly line: number
  readonly column: number
  readonly message: string
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const literal = /true|false|null/y
const space = /[ \t\n\r]*/y
const escaped = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y

class Stop extends Error {
  readonly kind: JsonFault['kind']
  readonly position: number
  constructor(position: number, message: string, kind: JsonFault['kind'] = 'malformed') {
    super(message)
    this.position = position
    this.kind = kind
  }
}

/**
 * The first fault of a JSON text (RFC 8259), or undefined. The engine's own parser does not always say where, and knows no bound of
 * depth; this one walks with a stack of its own, so depth costs nothing but is refused above `maxDepth`.
 */
export function jsonFault(text: string, maxDepth: number): JsonFault | undefined {
  try {
    scan(text, maxDepth)
    return undefined
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    const before = text.slice(0, error.position)
    const line = before.split('\n').length
    const column = error.position - before.lastIndexOf('\n')
    return { kind: error.kind, position: error.position, line, column, message: error.message }
  }
}

type Expect = 'value' | 'value-or-close' | 'key' | 'key-or-close' | 'comma-or-close' | 'end'

interface Walk {
  readonly text: string
  readonly maxDepth: number
  readonly open: string[]
  at: number
  expect: Expect
}

function scan(text: string, maxDepth: number): void {
  const walk: Walk = { text, maxDepth, open: [], at: skip(space, text, 0), expect: 'value' }
  while (walk.at < text.length) {
    step(walk, text[walk.at] as string)
    walk.at = skip(space, text, walk.at)
  }
  if (walk.expect === 'end') return
  const where = walk.open.length === 0 ? 'before its value' : `inside an ${openName(walk.open)}`
  throw new Stop(text.length, `the text ends ${where}`)
}

function step(walk: Walk, char: string): void {
  const { expect, at } = walk
  if (expect === 'end') throw new Stop(at, `${shown(char)} after the end of the value`)
  if ((char === '}' || char === ']') && expect !== 'value' && expect !== 'key') close(walk, char)
  else if (expect === 'comma-or-close') comma(walk, char)
  else if (expect === 'key' || expect === 'key-or-close') {
    walk.at = key(walk.text, at)
    walk.expect = 'value'
  } else if (char === '{' || char === '[') opening(walk, char)
  else {
    walk.at = scalar(walk.text, at)
    walk.expect = afterValue(walk)
  }
}

const afterValue = ({ open }: Walk): Expect => (open.length === 0 ? 'end' : 'comma-or-close')

function opening(walk: Walk, char: string): void {
  if (walk.open.push(char) > walk.maxDepth) {
    throw new Stop(walk.at, `nested deeper than ${walk.maxDepth} levels`, 'too-deep')
  }
  walk.at++
  walk.expect = char === '{' ? 'key-or-close' : 'value-or-close'
}

function close(walk: Walk, char: string): void {
  if (walk.open.pop() !== (char === '}' ? '{' : '[')) {
    throw new Stop(walk.at, `${shown(char)} closes nothing that is open here`)
  }
  walk.at++
  walk.expect = afterValue(walk)
}

function comma(walk: Walk, char: string): void {
  if (char !== ',') {
    throw new Stop(walk.at, `found ${shown(char)} where a comma or the end of the ${openName(walk.open)} belongs`)
  }
  walk.at++
  walk.expect = walk.open.at(-1) === '{' ? 'key' : 'value'
}

const openName = (open: readonly string[]): string => (open.at(-1) === '{' ? 'object' : 'array')

function key(text: string, at: number): number {
  if (text[at] !== '"')
    throw new Stop(at, `found ${shown(text[at])} where the name of a field in double quotes belongs`)
  const end = skip(space, text, string(text, at))
  if (text[end] !== ':') throw new Stop(end, `found ${shown(text[end])} where a colon belongs`)
  return end + 1
}

function scalar(text: string, at: number): number {
  if (text[at] === '"') return string(text, at)
  const end = Math.max(skip(number, text, at), skip(literal, text, at))
  // JSON.parse would make infinity of it.
  const token = text.slice(at, end)
  if (/\d/.test(token) && !Number.isFinite(Number(token))) throw new Stop(at, 'a number that is too large')
  if (end === at) throw new Stop(at, `found ${shown(text[at])} where a value belongs`)
  return end
}

function string(text: string, start: number): number {
  let at = start + 1
  for (;;) {
    const code = text.charCodeAt(at)
    if (Number.isNaN(code)) throw new Stop(text.length, 'the text ends inside a string')
    if (code === 0x22) return at + 1
    if (code < 0x20) throw new Stop(at, `a string must not hold ${shown(text[at])} as it is; write it as an escape`)
    if (code !== 0x5c) at++
    else {
      const end = skip(escaped, text, at)
      if (end === at) throw new Stop(at, 'an escape that JSON does not know')
      at = end
    }
  }
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function shown(char: string | undefined): string {
  if (char === undefined) return 'the end'
  return /[\x21-\x7e]/.test(char) ? char : `U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
}
