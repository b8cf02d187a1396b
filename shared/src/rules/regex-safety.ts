import { regexInputLimit } from './operators.ts'
import { type Characters, parseRegex, type RegexNode, RegexRefusal } from './regex-parse.ts'

/** Longest pattern of a condition. */
const patternLimit = 256
/** Steps a pattern may take on the worst text of that length: some milliseconds, on a text made for it. */
const stepLimit = 4_000_000
/** A pattern's length once its counted repetitions are written out. */
const expandedLimit = 2000

/**
 * Why a regular expression is refused, or undefined when no text of `regexInputLimit` characters can make it take more than
 * `stepLimit` steps of backtracking. Back references and look-around are refused, and repetition of what can be empty.
 *
 * The bound is a count of paths. Where the next character decides (the first characters of both ways differ), the wrong way ends at once;
 * elsewhere the numbers of ways multiply. `^\d+\.\d+$` costs some 5 steps a character, `^.*a.*b` the square of the
 * length, and `(a+)+` or `(a?){30}` grow without end.
 */
export function regexFault(pattern: string, insensitive = false): string | undefined {
  if (pattern.length > patternLimit) return `is longer than ${patternLimit} characters; use several shorter ones in $or`
  try {
    new RegExp(pattern, insensitive ? 'i' : '')
  } catch {
    return 'is not a regular expression; check brackets and escapes'
  }
  try {
    const tree = parseRegex(pattern, insensitive)
    if (expandedSize(tree) > expandedLimit) return 'repeats by too large counts; write smaller ones'
    if (regexSteps(tree, regexInputLimit) <= stepLimit) return undefined
  } catch (error) {
    if (error instanceof RegexRefusal) return error.message
    throw error
  }
  return 'can take too long on some texts; start it with ^, let no two repetitions in a row take the same characters, or split it under $and'
}

/** Steps that a pattern without a fault may take on the worst text of so many characters. */
export function regexWork(pattern: string, length: number): number {
  return regexSteps(parseRegex(pattern, false), length)
}

/** What comes after a part: the characters it may start with, and how many steps it takes to find that none fits. */
interface Follow {
  readonly first: Characters
  readonly reach: number
}

interface Cost {
  /** Steps of one try at one place. */
  readonly steps: number
  /** Ways to go on behind it that cannot be told apart by the next character. */
  readonly ways: number
}

const nothing: Follow = { first: 0n, reach: 1 }

/** Upper bound of the steps a backtracking matcher takes on any text of so many characters. */
export function regexSteps(tree: RegexNode, length: number): number {
  const { steps } = costOf(withoutTail(tree), nothing, length)
  // Away from the start of the text a pattern that begins with ^ ends where it begins.
  return isAnchored(tree) ? steps + length * startOf(tree).reach : steps * (length + 1)
}

function isNullable(node: RegexNode): boolean {
  switch (node.type) {
    case 'empty':
      return true
    case 'set':
      return false
    case 'sequence':
      return node.items.every(isNullable)
    case 'choice':
      return node.items.some(isNullable)
    case 'repeat':
      return node.min === 0 || isNullable(node.item)
  }
}

function startOf(node: RegexNode): Follow {
  switch (node.type) {
    case 'empty':
      return nothing
    case 'set':
      return { first: node.set, reach: 1 }
    case 'sequence':
      return sequenceStart(node.items, nothing)
    case 'choice':
      return node.items.map(startOf).reduce(either)
    case 'repeat':
      return startOf(node.item)
  }
}

const either = (a: Follow, b: Follow): Follow => ({ first: a.first | b.first, reach: a.reach + b.reach })

function sequenceStart(items: readonly RegexNode[], follow: Follow): Follow {
  let start: Follow = follow
  for (const item of items.toReversed()) start = isNullable(item) ? either(startOf(item), start) : startOf(item)
  return start
}

function costOf(node: RegexNode, follow: Follow, length: number): Cost {
  switch (node.type) {
    case 'empty':
    case 'set':
      return { steps: 1, ways: 1 }
    case 'sequence':
      return costOfSequence(node.items, follow, length)
    case 'choice':
      return costOfChoice(node.items, follow, length)
    case 'repeat':
      return costOfRepeat(node, follow, length)
  }
}

function costOfSequence(items: readonly RegexNode[], follow: Follow, length: number): Cost {
  let steps = 1
  let ways = 1
  items.forEach((item, i) => {
    const cost = costOf(item, sequenceStart(items.slice(i + 1), follow), length)
    steps += ways * cost.steps
    ways *= cost.ways
  })
  return { steps, ways }
}

function costOfChoice(items: readonly RegexNode[], follow: Follow, length: number): Cost {
  const costs = items.map((item) => costOf(item, follow, length))
  const steps = costs.reduce((sum, cost) => sum + cost.steps + follow.reach, 1)
  let decided = items.filter(isNullable).length <= 1
  let seen: Characters = 0n
  for (const item of items) {
    const { first } = sequenceStart([item], follow)
    if ((first & seen) !== 0n) decided = false
    seen |= first
  }
  const ways = decided ? Math.max(...costs.map((cost) => cost.ways)) : costs.reduce((sum, cost) => sum + cost.ways, 0)
  return { steps, ways }
}

function costOfRepeat(
  { item, min, max }: RegexNode & { readonly type: 'repeat' },
  follow: Follow,
  length: number,
): Cost {
  if (max === 0) return { steps: 1, ways: 1 }
  const empty = isNullable(item)
  if (empty && max > 1) throw new RegexRefusal('repeats a group that can be empty; let the group take a character')
  const start = startOf(item)
  const inner = costOf(item, max > 1 ? either(start, follow) : follow, length)
  const most = Math.min(max, length)
  const decided = max === min || (!empty && (start.first & follow.first) === 0n)
  const exits = decided ? 1 : most - Math.min(min, most) + 1
  // Round by round the ways inside multiply; one way inside stays one.
  let steps = 1
  let ways = 1
  for (let round = 0; round < most && steps < Number.POSITIVE_INFINITY; round++) {
    steps += ways * (inner.steps + 1 + follow.reach)
    ways *= inner.ways
  }
  return { steps, ways: ways * exits }
}

/** Repetitions at the end of a pattern cannot fail once they have their least: nothing is tried again behind them. */
function withoutTail(node: RegexNode): RegexNode {
  if (node.type !== 'sequence') return node
  const last = node.items.at(-1)
  if (last?.type !== 'repeat' || last.item.type !== 'set') return node
  const before = node.items.slice(0, -1)
  if (last.min === 0) return withoutTail({ type: 'sequence', items: before })
  return { type: 'sequence', items: [...before, { ...last, max: last.min }] }
}

function isAnchored(node: RegexNode): boolean {
  switch (node.type) {
    case 'empty':
      return node.start
    case 'sequence':
      return node.items[0] !== undefined && isAnchored(node.items[0])
    case 'choice':
      return node.items.every(isAnchored)
    default:
      return false
  }
}

function expandedSize(node: RegexNode): number {
  switch (node.type) {
    case 'empty':
    case 'set':
      return 1
    case 'sequence':
    case 'choice':
      return node.items.reduce((sum, item) => sum + expandedSize(item), 1)
    case 'repeat':
      return expandedSize(node.item) * Math.max(1, node.min, Number.isFinite(node.max) ? node.max : 1)
  }
}
