import { rolloutSchema } from '../rollout/index.ts'
import { type ApiClient, CommandError } from './api-client.ts'
import { type RolloutFile, readRolloutFile } from './rollout-file.ts'

/** Makes each rollout what its file says: creates it, or edits it. All files are read before the first change. */
export async function apply(api: ApiClient, paths: readonly string[], say: (line: string) => void): Promise<void> {
  const files: RolloutFile[] = []
  for (const path of paths) files.push(await readRolloutFile(path))
  for (const file of files) say(await applyOne(api, file))
}

async function applyOne(api: ApiClient, { path, key, content }: RolloutFile): Promise<string> {
  try {
    const stored = (await api.find(`/rollouts/${encodeURIComponent(key)}`)) as { readonly version: number } | undefined
    if (stored === undefined) {
      await api.call('POST', '/rollouts', content)
      return `${key}: created as a draft; start it with \`pipit start ${key}\``
    }
    // What the file does not name goes back to its default: the file is the whole truth.
    const absent = Object.keys(rolloutSchema.shape).filter((field) => !(field in content))
    const cleared = Object.fromEntries(absent.map((field) => [field, null]))
    const body = { ...cleared, ...content, version: stored.version }
    const edited = (await api.call('PATCH', `/rollouts/${encodeURIComponent(key)}`, body)) as {
      readonly version: number
    }
    return edited.version === stored.version
      ? `${key}: as it is already`
      : `${key}: edited, now version ${edited.version}`
  } catch (error) {
    if (error instanceof CommandError) throw new CommandError(`${path}: ${error.message}`, error.exitCode, error.errors)
    throw error
  }
}
