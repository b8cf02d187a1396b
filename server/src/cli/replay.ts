import { readFile, writeFile } from 'node:fs/promises'
import { type Replay, readExported, replayDecision } from '../replay/index.ts'
import { type ApiClient, CommandError, exitCodes } from './api-client.ts'

interface Decision {
  readonly id: string
  readonly at: number
  readonly event: string
  readonly summary: string
}

const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

/** One decision and what came out of taking it again. */
function told(summary: string, at: number, replay: Replay): string {
  const { judge, how, identical, stored, recomputed, differences } = replay
  const head = `${time(at)}  ${stored.label}: ${summary}`
  if (identical) return `${head}\n  identical, by ${judge.now}`
  if (how === 'folded') {
    const same = stored.label === recomputed.label ? 'the same' : `${recomputed.label}: ${recomputed.sentence}`
    return `${head}\n  taken by ${judge.stored}; ${judge.now} would have decided ${same}`
  }
  return [
    `${head}`,
    `  DIFFERENT, by ${judge.now}: ${recomputed.label}: ${recomputed.sentence}`,
    ...differences.map((line) => `    ${line}`),
  ].join('\n')
}

/** Takes the automatic decisions of a rollout again, oldest first. Throws `CommandError` where one comes out different. */
export async function replayRollout(
  client: ApiClient,
  key: string,
  options: { readonly decision?: string; readonly export?: string },
  out: (line: string) => void,
): Promise<void> {
  const path = `/rollouts/${encodeURIComponent(key)}/decisions`
  const { items } = (await client.call('GET', `${path}?limit=500`)) as { items: readonly Decision[] }
  const wanted = items.filter(({ id }) => options.decision === undefined || id === options.decision).toReversed()
  if (wanted.length === 0) {
    const which = options.decision === undefined ? 'no automatic decision yet' : `no decision "${options.decision}"`
    throw new CommandError(`${key} has ${which}`, exitCodes.failed)
  }
  if (options.export !== undefined) return await exportDecision(client, path, wanted, options.export, out)
  let different = 0
  for (const { id, at, summary } of wanted) {
    const replay = (await client.call('GET', `${path}/${encodeURIComponent(id)}/replay`)) as Replay
    if (replay.how === 'judged' && !replay.identical) different++
    out(`${told(summary, at, replay)}\n  decision ${id}`)
  }
  if (different > 0) {
    throw new CommandError(
      `${different} of ${wanted.length} decisions came out different on their own evidence`,
      exitCodes.failed,
    )
  }
}

async function exportDecision(
  client: ApiClient,
  path: string,
  decisions: readonly Decision[],
  file: string,
  out: (line: string) => void,
): Promise<void> {
  const [decision] = decisions
  if (decision === undefined || decisions.length > 1) {
    const known = decisions.map(({ id, summary }) => `  ${id}  ${summary}`).join('\n')
    throw new CommandError(`name the one to export with --decision:\n${known}`, exitCodes.usage)
  }
  const exported = await client.call('GET', `${path}/${encodeURIComponent(decision.id)}/evidence`)
  await writeFile(file, JSON.stringify(exported))
  out(`${file}: decision ${decision.id}; replay it anywhere with \`pipit replay --file ${file}\``)
}

/** Takes an exported decision again, without a server. Throws `CommandError` where it comes out different. */
export async function replayFile(file: string, out: (line: string) => void): Promise<void> {
  const read = readExported(await contentOf(file))
  if (!read.ok) throw new CommandError(`${file} ${read.message}`, exitCodes.invalid)
  const replay = replayDecision(read.decision)
  out(told(read.from.summary, read.from.at, replay))
  if (replay.how === 'judged' && !replay.identical) {
    throw new CommandError(`${file}: the decision came out different on its own evidence`, exitCodes.failed)
  }
}

async function contentOf(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is no JSON' : 'cannot be read'
    throw new CommandError(`${file} ${why}`, exitCodes.invalid)
  }
}
