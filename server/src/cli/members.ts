import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { type ApiClient, CommandError, exitCodes } from './api-client.ts'

/** Ids in one request: other changes wait for it, some tens of milliseconds. */
const batchSize = 10_000
const longestId = 256

export interface MembersJob {
  readonly change: 'add' | 'remove'
  readonly cohort: string
  /** One id a line; empty lines are left out. */
  readonly file: string
  readonly reason?: string
}

/** Lists the ids of a file in a cohort, or takes them off, batch by batch; what is sent before a fault stays. */
export async function changeMembers(api: ApiClient, job: MembersJob, out: (line: string) => void): Promise<void> {
  const path = `/cohorts/${encodeURIComponent(job.cohort)}/members`
  const method = job.change === 'add' ? 'POST' : 'DELETE'
  const reason = job.reason === undefined ? {} : { reason: job.reason }
  let sent = 0
  let members = 0
  for await (const batch of batchesOf(job.file)) {
    try {
      members = ((await api.call(method, path, { members: batch, ...reason })) as { memberCount: number }).memberCount
    } catch (error) {
      if (!(error instanceof CommandError) || sent === 0) throw error
      const message = `${error.message} (the first ${sent} ids of ${job.file} are done; giving them again does no harm)`
      throw new CommandError(message, error.exitCode, error.errors)
    }
    sent += batch.length
  }
  if (sent === 0) throw new CommandError(`${job.file} has no ids; put one on each line`, exitCodes.invalid)
  out(`${job.cohort}: ${sent} ids ${job.change === 'add' ? 'added' : 'removed'}, ${members} members now`)
}

async function* batchesOf(file: string): AsyncGenerator<readonly string[]> {
  const lines = createInterface({ input: await streamOf(file), crlfDelay: Number.POSITIVE_INFINITY })
  let batch: string[] = []
  let line = 0
  for await (const text of readable(lines, file)) {
    line++
    const id = line === 1 ? text.replace(/^\uFEFF/, '') : text
    if (id === '') continue
    if (id.length > longestId) {
      const message = `line ${line} of ${file} has ${id.length} characters; an id has ${longestId} at most`
      throw new CommandError(message, exitCodes.invalid)
    }
    batch.push(id)
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function* readable(lines: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  try {
    yield* lines
  } catch (error) {
    throw unreadable(file, error)
  }
}

const unreadable = (file: string, error: unknown): CommandError =>
  new CommandError(`${file} cannot be read: ${(error as Error).message}`, exitCodes.usage)

async function streamOf(file: string): Promise<NodeJS.ReadableStream> {
  try {
    return (await open(file)).createReadStream({ encoding: 'utf8' })
  } catch (error) {
    throw unreadable(file, error)
  }
}
