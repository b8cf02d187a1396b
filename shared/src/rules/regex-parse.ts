/**
 * The characters an atom takes: one bit for each ASCII character and one, `beyond`, for all others together. Sets may be larger than
 * the truth, never smaller.
 */
export type Characters = bigint

/** A regular expression as a tree. `empty` takes no character: an anchor, a word boundary, or nothing at all. */
export type RegexNode =
  | { readonly type: 'empty'; readonly asserts: boolean; readonly start: boolean }
  | { readonly type: 'set'; readonly set: Characters }
  | { readonly type: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly type: 'choice'; readonly items: readonly RegexNode[] }
  | { readonly type: 'repeat'; readonly item: RegexNode; readonly min: number; readonly max: number }

/** Why a pattern is refused, in words for whoever wrote it. */
export class RegexRefusal extends Error {}

const beyond: Characters = 1n << 128n
const everything: Characters = (1n << 129n) - 1n

const bit = (code: number): Characters => (code < 128 ? 1n << BigInt(code) : beyond)

function range(from: number, to: number): Characters {
  let set: Characters = to > 127 ? beyond : 0n
  for (let code = from; code <= Math.min(to, 127); code++) set |= bit(code)
  return set
}

const digits = range(48, 57)
const words = digits | range(65, 90) | range(97, 122) | bit(95)
const spaces = range(9, 13) | bit(32) | beyond
const classes: { readonly [letter: string]: Characters } = {
  d: digits,
  D: everything & ~digits,
  w: words,
  W: everything & ~words,
  s: spaces,
  // Beyond ASCII there are spaces and others: both sets hold the bit.
  S: (everything & ~spaces) | beyond,
}
const controls: { readonly [letter: string]: number } = { t: 9, n: 10, v: 11, f: 12, r: 13 }

/** With `i` a letter stands for both of its cases. */
function bothCases(set: Characters): Characters {
  const upper = (set >> 65n) & 0x3ffffffn
  const lower = (set >> 97n) & 0x3ffffffn
  return set | (upper << 97n) | (lower << 65n)
}

/** Parses a pattern that `new RegExp(pattern)` takes. Throws `RegexRefusal` for what is not supported in conditions. */
export function parseRegex(pattern: string, insensitive: boolean): RegexNode {
  return new Parser(pattern, insensitive).choice(0)
}

const depthLimit = 32

class Parser {
  readonly #pattern: string
  readonly #insensitive: boolean
  #at = 0

  constructor(pattern: string, insensitive: boolean) {
    this.#pattern = pattern
    this.#insensitive = insensitive
  }

  #peek(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at)
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false
    this.#at += text.length
    return true
  }

  #match(expression: RegExp): string | undefined {
    const found = expression.exec(this.#pattern.slice(this.#at))?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  choice(depth: number): RegexNode {
    if (depth > depthLimit) throw new RegexRefusal('has groups in groups too deep; write it flatter')
    const items = [this.#sequence(depth)]
    while (this.#take('|')) items.push(this.#sequence(depth))
    return items.length === 1 ? (items[0] as RegexNode) : { type: 'choice', items }
  }

  #sequence(depth: number): RegexNode {
    const items: RegexNode[] = []
    while (this.#at < this.#pattern.length && !this.#peek('|') && !this.#peek(')')) {
      items.push(this.#quantified(this.#atom(depth)))
    }
    return { type: 'sequence', items }
  }

  #quantified(item: RegexNode): RegexNode {
    const quantifier = this.#match(/^(?:[*+?]|\{\d+(?:,\d*)?\})\??/)?.replace(/(?<=.)\?$/, '')
    if (quantifier === undefined) return item
    if (quantifier === '?') return { type: 'repeat', item, min: 0, max: 1 }
    if (quantifier === '*' || quantifier === '+') {
      return { type: 'repeat', item, min: quantifier === '+' ? 1 : 0, max: Number.POSITIVE_INFINITY }
    }
    const [min = '0', max = min] = quantifier.slice(1, -1).split(',')
    return { type: 'repeat', item, min: Number(min), max: max === '' ? Number.POSITIVE_INFINITY : Number(max) }
  }

  #atom(depth: number): RegexNode {
    if (this.#take('^')) return { type: 'empty', asserts: true, start: true }
    if (this.#take('$') || this.#take('\\b') || this.#take('\\B')) return { type: 'empty', asserts: true, start: false }
    if (this.#peek('(')) return this.#group(depth)
    if (this.#take('[')) return this.#set(this.#characterClass())
    if (this.#take('.')) return this.#set(everything & ~(bit(10) | bit(13)))
    if (this.#take('\\')) {
      const escaped = this.#escape()
      return this.#set(typeof escaped === 'number' ? bit(escaped) : escaped)
    }
    return this.#set(bit(this.#character()))
  }

  #set(set: Characters): RegexNode {
    return { type: 'set', set: this.#insensitive ? bothCases(set) : set }
  }

  #character(): number {
    return this.#pattern.charCodeAt(this.#at++)
  }

  #group(depth: number): RegexNode {
    if (this.#match(/^\(\?<?[=!]/) !== undefined) {
      throw new RegexRefusal('uses look-around, which is not supported; use $and with $not instead')
    }
    if (this.#match(/^\((?:\?:|\?<[^>]*>|(?!\?))/) === undefined) {
      throw new RegexRefusal('has a group that starts with (?, of which only (?: and (?<name> are supported')
    }
    const inner = this.choice(depth + 1)
    this.#take(')')
    return inner
  }

  /** A set, or the code of a single character. */
  #escape(): Characters | number {
    const letter = this.#pattern.charAt(this.#at)
    this.#at++
    const known = classes[letter]
    if (known !== undefined) return known
    const control = controls[letter]
    if (control !== undefined) return control
    if (letter === '0' && !/\d/.test(this.#pattern.charAt(this.#at))) return 0
    if (letter === 'x' || letter === 'u') {
      const hex = this.#match(letter === 'x' ? /^[0-9a-f]{2}/i : /^[0-9a-f]{4}/i)
      if (hex !== undefined) return Number.parseInt(hex, 16)
    }
    if (/[1-9k]/.test(letter)) throw new RegexRefusal('uses a back reference, which is not supported')
    if (/[a-z0]/i.test(letter)) throw new RegexRefusal(`uses \\${letter}, which is not supported`)
    return letter.charCodeAt(0)
  }

  #characterClass(): Characters {
    const negated = this.#take('^')
    let set: Characters = 0n
    while (!this.#take(']')) {
      const from = this.#classAtom()
      if (typeof from === 'number' && this.#peek('-') && this.#pattern.charAt(this.#at + 1) !== ']') {
        this.#take('-')
        const to = this.#classAtom()
        set |= typeof to === 'number' ? range(from, to) : bit(from) | bit(45) | to
      } else set |= typeof from === 'number' ? bit(from) : from
    }
    if (this.#insensitive) set = bothCases(set)
    // What is not named beyond ASCII stays possible.
    return negated ? (everything & ~set) | beyond : set
  }

  #classAtom(): Characters | number {
    if (!this.#take('\\')) return this.#character()
    if (this.#take('b')) return 8
    if (this.#take('-')) return 45
    return this.#escape()
  }
}
