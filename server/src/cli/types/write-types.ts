import { readFile, writeFile } from 'node:fs/promises'
import { type ApiClient, CommandError, exitCodes } from '../api-client.ts'
import { type DeclaredRollout, declarations } from './declarations.ts'

interface Listed {
  readonly key: string
  readonly phase: string
}

/** Rollouts that are asked for at a time. */
const atOnce = 8

/** Writes the declarations of all rollouts that are not archived into a file, or says them where none is named. */
export async function writeTypes(
  api: ApiClient,
  listed: readonly Listed[],
  options: { readonly environment: string; readonly output?: string },
  say: (text: string) => void,
): Promise<void> {
  const { environment, output } = options
  const rollouts: DeclaredRollout[] = []
  const wanted = listed.filter(({ phase }) => phase !== 'archived')
  for (let i = 0; i < wanted.length; i += atOnce) {
    const found = await Promise.all(
      wanted.slice(i, i + atOnce).map(({ key }) => api.find(`/rollouts/${encodeURIComponent(key)}`)),
    )
    // One that has been removed meanwhile is not there any more.
    for (const one of found) if (one !== undefined) rollouts.push((one as { definition: DeclaredRollout }).definition)
  }
  const text = declarations(environment, rollouts)
  if (output === undefined) return say(text.trimEnd())
  const count = `${rollouts.length} ${rollouts.length === 1 ? 'rollout' : 'rollouts'} of ${environment}`
  if (text === (await readIfThere(output))) return say(`${output}: as it is already, ${count}`)
  try {
    await writeFile(output, text)
  } catch (error) {
    throw new CommandError(`${output} cannot be written: ${(error as Error).message}`, exitCodes.usage)
  }
  say(`${output}: ${count}`)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}
