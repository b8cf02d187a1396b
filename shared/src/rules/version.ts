/** Longest text that is looked at as a version. */
const lengthLimit = 128

/**
 * Signs of a key, in the order in which what follows them sorts: behind the same numbers a prerelease, the release, a further number, a
 * further word.
 */
const prerelease = 'a'
const release = 'b'
const number = 'n'
const word = 'w'
/** Ends a word, below every character of an identifier: `rc` sorts before `rc-2`. */
const wordEnd = ' '

/**
 * A text that orders versions by plain comparison, in the precedence of Semantic Versioning 2.0.0, section 11: numbers as numbers,
 * `1.2.3-rc.1` < `1.2.3-rc.1.1` < `1.2.3-rc.x` < `1.2.3`; a leading `v` and build metadata say nothing. Beyond semver, missing numbers are 0
 * (`1` is `1.0.0`), there may be more than three, and `1-2-3` is `1.2.3`. What is no version at all orders as 0, and a text that begins
 * with no number after all that do.
 */
export function versionKey(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text.length > lengthLimit) return release
  const known = keys.get(text)
  if (known !== undefined) return known
  const key = keyOf(text)
  if (keys.size === keysLimit) keys.clear()
  keys.set(text, key)
  return key
}

/** Keys made lately: users run few versions, and are asked about them again and again. */
const keys = new Map<string, string>()
const keysLimit = 1000

function keyOf(text: string): string {
  const plain = text
    .trim()
    .replace(/^[vV]|\+.*$/gs, '')
    .replace(/^(\d+)-(\d+)-(\d+)(?=-|$)/, '$1.$2.$3')
  if (plain === '') return release
  const dash = plain.indexOf('-')
  const core = (dash < 0 ? plain : plain.slice(0, dash)).split('.').map(identifierKey)
  // 1.2 is 1.2.0, and 1.2.0.0: zeros at the end are nothing.
  while (core.at(-1) === zero) core.pop()
  return core.join('') + (dash < 0 ? release : prerelease + prereleaseKey(plain.slice(dash + 1)))
}

const zero = identifierKey('0')

const prereleaseKey = (text: string): string => text.split('.').map(identifierKey).join('')

/** Numbers before words; of two numbers the one with fewer digits is less. */
function identifierKey(identifier: string): string {
  if (!/^\d+$/.test(identifier)) return word + identifier + wordEnd
  const digits = identifier.replace(/^0+(?=\d)/, '')
  return number + String.fromCharCode(32 + digits.length) + digits
}
