import { type Command, Option } from 'commander'
import type { ApiClient } from './api-client.ts'
import { CommandError, exitCodes } from './api-client.ts'

export interface DecideFlags {
  readonly user: string
  readonly header?: readonly string[]
  readonly cookie?: readonly string[]
  readonly at?: string
  readonly json?: boolean
}

interface Comparison {
  readonly path: string
  readonly operator: string
  readonly expected: unknown
  readonly actual: unknown
  readonly holds: boolean
  readonly of?: readonly Comparison[]
}

interface Explained {
  readonly variant: string
  readonly payload: unknown
  readonly reason: string
  readonly stage?: string
  readonly version: number
  readonly trace: readonly {
    readonly step: string
    readonly decided: boolean
    readonly text: string
    readonly comparisons?: readonly Comparison[]
  }[]
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export function addDecideOptions(command: Command): Command {
  return command
    .requiredOption('--user <id or JSON>', 'an id, or an object such as \'{"id":"user-1","country":"NL"}\'')
    .addOption(new Option('--header <name: value>', 'a request header; may be repeated').argParser(collect))
    .addOption(new Option('--cookie <name=value>', 'a cookie; may be repeated').argParser(collect))
    .option('--at <time>', 'for rules by the time of day: an ISO 8601 time; now when absent')
    .option('--json', 'the whole answer as JSON')
}

/** `name: value` or `name=value` texts as an object; a header that comes twice has both values. */
function pairs(texts: readonly string[], separator: ':' | '=', option: string): { [name: string]: string | string[] } {
  const found = new Map<string, string | string[]>()
  for (const text of texts) {
    const at = text.indexOf(separator)
    if (at <= 0) {
      const form = separator === ':' ? '"X-Canary: true"' : '"session=abc"'
      throw new CommandError(`${option} is a name and a value such as ${form}, not "${text}"`, exitCodes.usage)
    }
    const name = text.slice(0, at).trim()
    const value = text.slice(at + 1).trim()
    const before = found.get(name)
    if (before !== undefined && separator === '=')
      throw new CommandError(`${option} names ${name} twice; a cookie has one value`, exitCodes.usage)
    found.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(found)
}

function userOf(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return text
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandError(`--user looks like JSON and is none: ${why}`, exitCodes.usage)
  }
}

/** What a user would get of a rollout, and why. */
export async function decideText(api: ApiClient, key: string, flags: DecideFlags): Promise<string> {
  const { header, cookie, at } = flags
  const explained = (await api.call('POST', `/rollouts/${encodeURIComponent(key)}/decide`, {
    user: userOf(flags.user),
    ...(header === undefined ? {} : { headers: pairs(header, ':', '--header') }),
    ...(cookie === undefined ? {} : { cookies: pairs(cookie, '=', '--cookie') }),
    ...(at === undefined ? {} : { at }),
  })) as Explained
  return flags.json === true ? JSON.stringify(explained, undefined, 2) : explainedText(key, explained)
}

function explainedText(key: string, { variant, payload, reason, stage, version, trace }: Explained): string {
  const where = `${stage === undefined ? '' : `stage ${stage}, `}ruleset ${version}`
  const steps = trace.flatMap(({ decided, text, comparisons = [] }) => [
    `  ${decided ? '=>' : ' -'} ${text}`,
    ...comparisons.flatMap((comparison) => comparisonLines(comparison, '       ')),
  ])
  return [
    `${key}: ${variant} (${reason}; ${where})`,
    ...(payload === null ? [] : [`  payload ${JSON.stringify(payload)}`]),
    ...steps,
  ].join('\n')
}

function comparisonLines(comparison: Comparison, indent: string): readonly string[] {
  const { path, operator, expected, actual, holds, of = [] } = comparison
  const verdict = holds ? 'holds' : 'does not hold'
  const line =
    path === ''
      ? `${operator} ${verdict}:`
      : `${path} ${operator} ${JSON.stringify(expected)}: ${actual === null ? 'there is none' : JSON.stringify(actual)}, ${verdict}`
  return [`${indent}${line}`, ...of.flatMap((inner) => comparisonLines(inner, `${indent}  `))]
}
