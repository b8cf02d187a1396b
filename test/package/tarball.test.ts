/** What a user of the SDK downloads. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

describe('the package of sdk-node', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--workspace', 'sdk-node'], { cwd: root, encoding: 'utf8' }),
  ) as [{ readonly files: readonly { readonly path: string }[] }]
  const files = packed.files.map(({ path }) => path)

  it('holds what is built, what it is and on which terms, and nothing else', () => {
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/index.mjs', 'dist/index.d.mts']),
    )
    expect(
      files.filter((path) => !/^(LICENSE|README\.md|package\.json|dist\/[\w-]+\.(mjs|d\.mts))$/.test(path)),
    ).toEqual([])
  })

  it('is on the terms of the project', () => {
    expect(readFileSync(`${root}sdk-node/LICENSE`, 'utf8')).toBe(readFileSync(`${root}LICENSE`, 'utf8'))
  })
})
