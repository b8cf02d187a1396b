export const regexPatternLimit = 256
const unboundedLimit = 4

/** One open group while scanning: whether anything inside repeats without end or offers alternatives. */
interface Group {
  repeats: boolean
  alternatives: boolean
}

/**
 * Why a regular expression is refused, or undefined when it cannot backtrack without end on the bounded inputs it is given: no repetition
 * of a group that itself repeats or branches, no back references, no look-around, at most four unbounded repetitions.
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

function scan(pattern: string): string | undefined {
  const open: Group[] = [{ repeats: false, alternatives: false }]
  let closed: Group | undefined
  let unbounded = 0
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i)
    const top = open.at(-1) as Group
    const fault = forbidden(rest)
    if (fault !== undefined) return fault
    const skip = atomLength(rest)
    if (skip > 0) {
      closed = undefined
      i += skip - 1
      continue
    }
    if (rest.startsWith('(')) {
      open.push({ repeats: false, alternatives: false })
      closed = undefined
    } else if (rest.startsWith(')')) {
      closed = open.pop() as Group
      const parent = open.at(-1)
      if (parent !== undefined) parent.repeats ||= closed.repeats
      if (parent !== undefined) parent.alternatives ||= closed.alternatives
    } else if (rest.startsWith('|')) {
      top.alternatives = true
      closed = undefined
    } else {
      const repetition = /^(?:[*+]|\{\d+,\d*\}|\{\d+\})\??/.exec(rest)
      if (repetition === null) {
        if (!rest.startsWith('?')) closed = undefined
        continue
      }
      if (closed?.repeats || closed?.alternatives) {
        return 'repeats a group that itself repeats or branches, which can take forever; write it without nesting'
      }
      top.repeats = true
      if (++unbounded > unboundedLimit)
        return `has more than ${unboundedLimit} repetitions; split it into several conditions`
      i += repetition[0].length - 1
    }
  }
  return undefined
}

function forbidden(rest: string): string | undefined {
  if (/^\(\?<?[=!]/.test(rest)) return 'uses look-around, which is not supported; use $and with $not instead'
  if (/^\\(?:[1-9]|k<)/.test(rest)) return 'uses a back reference, which is not supported'
  return undefined
}

/** Length of an escape or character class at the start, 0 for anything else. */
function atomLength(rest: string): number {
  if (rest.startsWith('\\')) return 2
  if (rest.startsWith('(?:')) return 0
  const set = /^\[(?:\\.|[^\]\\])*\]/.exec(rest)
  return set === null ? 0 : set[0].length
}
