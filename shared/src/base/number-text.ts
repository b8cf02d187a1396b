/** The first half ends a number, the second half goes on. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const codes: Uint8Array = /* @__PURE__ */ codesOfCharacters()
/** Five bits each: enough for 2⁵³. */
const maxDigits = 11

/** By character code; 255 is no character of numbers. */
function codesOfCharacters(): Uint8Array {
  const table = new Uint8Array(128).fill(255)
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i
  return table
}

/** A whole number of at least 0 as text: one character below 32, five bits a character, lowest first, that needs no escape in JSON. */
export function numberText(value: number): string {
  let text = ''
  let rest = value
  while (rest >= 32) {
    text += alphabet.charAt(32 + (rest % 32))
    rest = Math.floor(rest / 32)
  }
  return text + alphabet.charAt(rest)
}

/** Reads numbers that stand one after the other, in parts that a dot ends. */
export class NumberReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Nothing more stands in this part: at its dot, or at the end of the text. */
  get partIsOver(): boolean {
    return this.#at >= this.#text.length || this.#text.charCodeAt(this.#at) === 46
  }

  get isOver(): boolean {
    return this.#at >= this.#text.length
  }

  /** Goes on to the next part; false at the end of the text, or where this part is not over. */
  nextPart(): boolean {
    if (this.isOver || !this.partIsOver) return false
    this.#at++
    return true
  }

  /** The next number, or -1 where there is none, or one beyond 2⁵³ or longer than it needs to be: each number has one text. */
  next(): number {
    const text = this.#text
    let value = 0
    let scale = 1
    for (let i = 0; i < maxDigits; i++) {
      // Beyond the end it is NaN, which is the code of nothing.
      const code = codes[text.charCodeAt(this.#at)]
      if (code === undefined || code === 255) return -1
      this.#at++
      if (code < 32) {
        value += code * scale
        return (i > 0 && code === 0) || !Number.isSafeInteger(value) ? -1 : value
      }
      value += (code - 32) * scale
      scale *= 32
    }
    return -1
  }
}
