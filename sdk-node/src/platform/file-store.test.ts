import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createFileStore, defaultFolder } from './file-store.ts'

const url = 'http://127.0.0.1'
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-sdk-'))
  folders.push(directory)
  return directory
}

describe('the file store', () => {
  it('writes whole files for this user only, and never names the key', async () => {
    const directory = join(folder(), 'deep', 'er')
    const store = createFileStore({ directory }, url, 'srv_secret')
    expect(await store.load()).toBeUndefined()
    await store.save('one')
    await store.save('two')
    expect(await store.load()).toBe('two')
    const [file = '', ...others] = readdirSync(directory)
    expect(others).toEqual([])
    expect(file).not.toContain('secret')
    expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
  })

  it('keeps keys and addresses apart', async () => {
    const directory = folder()
    await createFileStore({ directory }, url, 'a').save('of a')
    expect(await createFileStore({ directory }, url, 'b').load()).toBeUndefined()
    expect(await createFileStore({ directory }, 'http://127.0.0.2', 'a').load()).toBeUndefined()
  })

  it('rejects where it cannot write, and leaves nothing behind', async () => {
    const directory = folder()
    const file = join(directory, 'a-file')
    writeFileSync(file, '')
    await expect(createFileStore({ directory: join(file, 'below') }, url, 'a').save('x')).rejects.toThrow()
    const store = createFileStore({ directory }, url, 'a')
    await store.save('x')
    const [name = ''] = readdirSync(directory).filter((entry) => entry.startsWith('ruleset-'))
    rmSync(join(directory, name))
    // A folder in the file's place: the rename fails after the draft was written.
    mkdirSync(join(directory, name))
    await expect(store.save('y')).rejects.toThrow()
    expect(readdirSync(directory).sort()).toEqual(['a-file', name])
  })
})

describe.skipIf(process.getuid === undefined)('a folder whose name is known to everybody', () => {
  const owner = process.getuid?.() ?? 0

  it('is named for the user', () => {
    expect(defaultFolder()).toEqual({ directory: join(tmpdir(), `pipit-${owner}`), owner })
  })

  it('is used when it is this user’s alone', async () => {
    const store = createFileStore({ directory: join(folder(), 'mine'), owner }, url, 'a')
    expect(await store.load()).toBeUndefined()
    await store.save('x')
    expect(await store.load()).toBe('x')
  })

  it.each<[string, (directory: string) => number]>([
    ['belongs to somebody else', () => owner + 1],
    [
      'may be written to by others',
      (directory) => {
        chmodSync(directory, 0o777)
        return owner
      },
    ],
    [
      'is a link to elsewhere',
      (directory) => {
        const elsewhere = folder()
        rmSync(directory, { recursive: true })
        symlinkSync(elsewhere, directory)
        return owner
      },
    ],
  ])('is neither read nor written when it %s', async (_what, spoil) => {
    const directory = join(folder(), 'shared')
    await createFileStore({ directory }, url, 'a').save('planted')
    const store = createFileStore({ directory, owner: spoil(directory) }, url, 'a')
    await expect(store.load()).rejects.toThrow(/is not this user's alone; name another folder as cacheDir/)
    await expect(store.save('x')).rejects.toThrow(/is not this user's alone/)
  })
})
