import { readFile } from 'node:fs/promises'
import { HttpProblem, parseJson, parseYaml } from '../http/index.ts'
import { parseRollout } from '../rollout/index.ts'
import { CommandError, exitCodes } from './api-client.ts'

/** A rollout file as it was read: a mapping whose faults, if any, are known by now. */
export interface RolloutFile {
  readonly path: string
  readonly key: string
  readonly content: { readonly [field: string]: unknown }
}

/** Reads and validates a rollout file (YAML, or JSON by its name). What the environment holds (cohorts, metrics) is not known here. */
export async function readRolloutFile(path: string): Promise<RolloutFile> {
  const content = parse(path, await readText(path))
  const parsed = parseRollout(content)
  if (!parsed.ok) {
    const faults = parsed.issues.filter(({ message }) => !/^there is no metric /.test(message))
    if (faults.length > 0) throw new CommandError(`${path} is not a valid rollout`, exitCodes.invalid, faults)
  }
  const mapping = content as { readonly key: string }
  return { path, key: mapping.key, content: { ...mapping } }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`, exitCodes.usage)
  }
}

function parse(path: string, text: string): unknown {
  try {
    return path.endsWith('.json') ? parseJson(text) : parseYaml(text)
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error
    throw new CommandError(`${path} cannot be read`, exitCodes.invalid, error.extras.errors ?? [])
  }
}
