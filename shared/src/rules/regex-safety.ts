export const regexPatternLimit = 256
const repetitionLimit = 4

/** One open group while scanning: whether anything inside repeats without end or offers alternatives. */
interface Group {
  repeats: boolean
  alternatives: boolean
}

/**
 * Why a regular expression is refused, or undefined when it cannot backtrack without end on the bounded inputs it is given: no repetition
 * of a group that itself repeats or branches, no back references, no look-around, at most four repetitions.
 */
export function regexFault(pattern: string): string | undefined {
  if (pattern.length > regexPatternLimit)
    return `is longer than ${regexPatternLimit} characters; use several shorter ones in $or`
  try {
    new RegExp(pattern)
  } catch {
    return 'is not a regular expression; check brackets and escapes'
  }
  return scan(pattern)
}

/** What a scan keeps: the open groups, the group that has just closed, and how many repetitions there were. */
interface Scan {
  readonly open: Group[]
  closed: Group | undefined
  repetitions: number
}

const newGroup = (): Group => ({ repeats: false, alternatives: false })

function scan(pattern: string): string | undefined {
  const state: Scan = { open: [newGroup()], closed: undefined, repetitions: 0 }
  let i = 0
  while (i < pattern.length) {
    const rest = pattern.slice(i)
    const fault = forbidden(rest)
    if (fault !== undefined) return fault
    const repetition = /^(?:[*+]|\{\d+,?\d*\})\??/.exec(rest)?.[0]
    if (repetition !== undefined) {
      const harm = repeat(state)
      if (harm !== undefined) return harm
      i += repetition.length
      continue
    }
    const length = atomLength(rest)
    if (length === 1) step(state, rest.charAt(0))
    else state.closed = undefined
    i += length
  }
  return undefined
}

/** A single character that may open, close or divide a group. */
function step(state: Scan, character: string): void {
  if (character === '?') return
  const closed = character === ')' ? state.open.pop() : undefined
  state.closed = closed
  const top = state.open.at(-1)
  if (closed !== undefined && top !== undefined) {
    top.repeats ||= closed.repeats
    top.alternatives ||= closed.alternatives
  } else if (character === '(') state.open.push(newGroup())
  else if (character === '|' && top !== undefined) top.alternatives = true
}

function repeat(state: Scan): string | undefined {
  const { closed } = state
  if (closed?.repeats || closed?.alternatives) {
    return 'repeats a group that itself repeats or branches, which can take forever; write it without nesting'
  }
  const top = state.open.at(-1)
  if (top !== undefined) top.repeats = true
  state.closed = undefined
  if (++state.repetitions > repetitionLimit)
    return `has more than ${repetitionLimit} repetitions; split it into several conditions`
  return undefined
}

function forbidden(rest: string): string | undefined {
  if (/^\(\?<?[=!]/.test(rest)) return 'uses look-around, which is not supported; use $and with $not instead'
  if (/^\\(?:[1-9]|k<)/.test(rest)) return 'uses a back reference, which is not supported'
  return undefined
}

/** Length of the escape, character class or single character at the start. */
function atomLength(rest: string): number {
  if (rest.startsWith('\\')) return 2
  return /^\[(?:\\.|[^\]\\])*\]/.exec(rest)?.[0].length ?? 1
}
