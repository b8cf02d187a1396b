import type { Issue } from '@pipit/shared/base'
import { isAlias, LineCounter, parseDocument, visit } from 'yaml'
import { HttpProblem } from '../problem.ts'
import { jsonFault } from './json-fault.ts'

/** Bounds of every body, whatever its route. */
export const bodyLimits = {
  /** Levels of arrays and objects. */
  depth: 64,
  /** Aliases (`*name`) in a YAML document. */
  yamlAliases: 100,
  /** Values in a YAML document after its aliases are filled in. */
  yamlValues: 200_000,
  /** A YAML document: people write them. Bytes. */
  yamlBytes: 1_048_576,
} as const

/** UTF-8 bytes as text. */
export function decodeUtf8(bytes: Uint8Array, code: 'malformed-json' | 'malformed-yaml'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    const good = new TextDecoder().decode(bytes).indexOf('\ufffd')
    const message = `is not UTF-8: what stands at character ${good} cannot be read; send the body as UTF-8`
    throw new HttpProblem(code, `the body ${message}`, { errors: [{ path: '', message }] })
  }
}

/** A JSON text as a value, or a problem that names line, column and position of the first fault. */
export function parseJson(text: string): unknown {
  checkJson(text)
  return JSON.parse(text)
}

export function checkJson(text: string): void {
  const fault = jsonFault(text, bodyLimits.depth)
  if (fault === undefined) return
  const where = `line ${fault.line}, column ${fault.column} (position ${fault.position})`
  const advice = fault.kind === 'too-deep' ? 'flatten it' : 'mend it there and send it again'
  const detail = `the body is not JSON that can be taken: ${where}: ${fault.message}; ${advice}`
  throw new HttpProblem('malformed-json', detail, {
    errors: [{ path: '', message: `${where}: ${fault.message}` }],
    members: { position: fault.position, line: fault.line, column: fault.column },
  })
}

/** A YAML text (version 1.2, one document) as a value of JSON, or a problem with every fault of the text. */
export function parseYaml(text: string): unknown {
  const lines = new LineCounter()
  const bounded = withinDepth(() => parseDocument(text, { lineCounter: lines, uniqueKeys: true, stringKeys: true }))
  const errors: Issue[] = bounded.errors.map(({ message, linePos }) => {
    const where = linePos === undefined ? '' : `line ${linePos[0].line}, column ${linePos[0].col}: `
    return { path: '', message: `${where}${(message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')}` }
  })
  let aliases = 0
  withinDepth(() =>
    visit(bounded, (_key, node) => {
      if (isAlias(node)) aliases++
    }),
  )
  if (aliases > bodyLimits.yamlAliases) {
    errors.push({
      path: '',
      message: `has ${aliases} aliases; at most ${bodyLimits.yamlAliases} are followed, so write the values out`,
    })
  }
  if (errors.length > 0) throw malformedYaml(errors)
  const value = withinDepth(() => {
    try {
      return bounded.toJS({ maxAliasCount: bodyLimits.yamlAliases }) as unknown
    } catch (error) {
      if (error instanceof RangeError) throw error
      const message = (error as Error).message
      const grows = message.startsWith('Excessive alias count')
      throw malformedYaml([
        { path: '', message: grows ? 'grows too large by its aliases; write the values out' : message },
      ])
    }
  })
  const budget = { values: 0 }
  checkPlain(value, '', 0, budget)
  return value
}

/** A parser that runs out of stack has met a text that is nested beyond all measure. */
function withinDepth<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw malformedYaml([{ path: '', message: `is nested deeper than ${bodyLimits.depth} levels; flatten it` }])
  }
}

const malformedYaml = (errors: readonly Issue[]): HttpProblem =>
  new HttpProblem('malformed-yaml', `the body is not YAML that can be taken: ${errors[0]?.message}`, { errors })

/** YAML says more than JSON does; what goes beyond it is refused with its path. */
function checkPlain(value: unknown, path: string, depth: number, budget: { values: number }): void {
  if (depth > bodyLimits.depth) {
    throw malformedYaml([{ path, message: `is nested deeper than ${bodyLimits.depth} levels; flatten it` }])
  }
  budget.values++
  if (budget.values > bodyLimits.yamlValues) {
    throw malformedYaml([
      {
        path,
        message: `is the ${bodyLimits.yamlValues}th value with all aliases filled in; send JSON without aliases`,
      },
    ])
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw malformedYaml([{ path, message: `must be a finite number, not ${value}` }])
  }
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'undefined') {
    throw malformedYaml([{ path, message: 'is no value that JSON has' }])
  }
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      checkPlain(item, `${path}[${i}]`, depth + 1, budget)
    })
    return
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    throw malformedYaml([
      { path, message: 'is a kind of value that JSON does not have; use mappings, lists, texts, numbers' },
    ])
  }
  for (const [field, item] of Object.entries(value)) {
    checkPlain(item, path === '' ? field : `${path}.${field}`, depth + 1, budget)
  }
}
