import { createHash, randomBytes } from 'node:crypto'
import { lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@pipit/shared/client'

/** A ruleset larger than this is not kept. */
const maxBytes = 64 * 1024 * 1024
const writableByOthers = 0o022

/** Where rulesets are kept. */
export interface Folder {
  readonly directory: string
  /** Where given, a folder that belongs to another user, or that others may write to, is not used: they could plant a ruleset in it. */
  readonly owner?: number
}

/** A folder of this user's under the system's temporary directory. Its name is known to everybody, so its owner is checked. */
export function defaultFolder(): Folder {
  const uid = process.getuid?.()
  // Without user numbers (Windows) the temporary directory is this user's already.
  if (uid === undefined) return { directory: join(tmpdir(), 'pipit') }
  return { directory: join(tmpdir(), `pipit-${uid}`), owner: uid }
}

/**
 * Keeps the last ruleset in a file of `folder`, readable by this user only. Its name is a hash of address and key, so that applications with
 * different keys do not read each other's; the key itself is not in it. A write is whole or not at all.
 */
export function createFileStore(folder: Folder, url: string, key: string): Store {
  const { directory } = folder
  const name = createHash('sha256').update(`${url}\n${key}`).digest('hex').slice(0, 32)
  const file = join(directory, `ruleset-${name}.json`)
  return {
    async load() {
      try {
        await checkOwner(folder)
        const { size } = await stat(file)
        if (size > maxBytes) throw new Error(`${file} has ${size} bytes, more than a ruleset may have`)
        return await readFile(file, 'utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
    },
    async save(text) {
      if (text.length > maxBytes)
        throw new Error(`the ruleset has ${text.length} characters, more than are kept on disk`)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await checkOwner(folder)
      const draft = `${file}.${randomBytes(6).toString('hex')}`
      try {
        await writeFile(draft, text, { mode: 0o600 })
        await rename(draft, file)
      } catch (error) {
        await rm(draft, { force: true })
        throw error
      }
    },
  }
}

async function checkOwner({ directory, owner }: Folder): Promise<void> {
  if (owner === undefined) return
  const found = await lstat(directory)
  if (!found.isDirectory() || found.uid !== owner || (found.mode & writableByOthers) !== 0)
    throw new Error(`${directory} is not this user's alone; name another folder as cacheDir`)
}
