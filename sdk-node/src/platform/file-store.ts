import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '@pipit/shared/client'

/** A ruleset larger than this is not kept. */
const maxBytes = 64 * 1024 * 1024

/**
 * Keeps the last ruleset in a file of `directory`, readable by this user only. Its name is a hash of address and key, so that applications
 * with different keys do not read each other's; the key itself is not in it. A write is whole or not at all.
 */
export function createFileStore(directory: string, url: string, key: string): Store {
  const name = createHash('sha256').update(`${url}\n${key}`).digest('hex').slice(0, 32)
  const file = join(directory, `ruleset-${name}.json`)
  return {
    async load() {
      try {
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
