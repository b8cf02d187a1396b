/** What a user of the SDK downloads. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { decide as decideInPage } from '@pipit/sdk-browser/decide'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

describe.each([
  ['sdk-node', ['dist/index.mjs', 'dist/index.d.mts'], /^dist\/[\w-]+\.(mjs|d\.mts)$/],
  [
    'sdk-browser',
    ['dist/index.js', 'dist/index.d.ts', 'dist/decide.js', 'dist/pipit.js', 'dist/react.js', 'dist/react.d.ts'],
    /^dist\/[\w-]+\.(js|d\.ts)$/,
  ],
])('the package of %s', (name, entries, built) => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--workspace', name], { cwd: root, encoding: 'utf8' }),
  ) as [{ readonly files: readonly { readonly path: string }[] }]
  const files = packed.files.map(({ path }) => path)
  const papers = ['LICENSE', 'README.md', 'package.json']

  it('holds what is built, what it is and on which terms, and nothing else', () => {
    expect(files).toEqual(expect.arrayContaining([...papers, ...entries]))
    expect(files.filter((path) => !papers.includes(path) && !built.test(path))).toEqual([])
  })

  it('is on the terms of the project', () => {
    expect(readFileSync(`${root}${name}/LICENSE`, 'utf8')).toBe(readFileSync(`${root}LICENSE`, 'utf8'))
  })
})

describe('the code of sdk-node', () => {
  it('has no character beyond Latin-1: with one, V8 would keep all of it in two bytes a character', () => {
    const code = readFileSync(`${root}sdk-node/dist/index.mjs`, 'utf8')
    const wide = code.split('\n').filter((line) => [...line].some((character) => character.charCodeAt(0) > 0xff))
    expect(wide).toEqual([])
  })
})

describe('what a page loads of sdk-browser', () => {
  const read = (path: string): string => readFileSync(`${root}sdk-browser/${path}`, 'utf8')
  const kB = (path: string): string => (gzipSync(read(path), { level: 9 }).length / 1000).toFixed(1)

  it('is as large as its README says', () => {
    expect(read('README.md')).toContain(`The whole client is ${kB('dist/index.js')} kB gzip`)
    expect(read('README.md')).toContain(`deciding alone is ${kB('dist/decide.js')} kB.`)
  })

  it('is one file for each entry, makes no code from text, and brings nothing else of shared along', () => {
    for (const path of ['dist/index.js', 'dist/decide.js', 'dist/pipit.js']) {
      expect(read(path)).not.toMatch(/\bimport\b|\beval\b|new Function/)
      // Of conditions, cohorts, checks of the wire, sketches and the server's hash of units.
      expect(read(path)).not.toMatch(/\$elemMatch|inGroup|must be|unitSalt|padStart|codePointAt/)
    }
  })

  it('leaves React to the page, and frameworks know its components as ones for browsers', () => {
    const hooks = read('dist/react.js')
    expect(hooks).toMatch(/^"use client";/)
    expect([...hooks.matchAll(/\bfrom\s*"([^"]+)"/g)].map(([, from]) => from)).toEqual(['react'])
    const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(read('package.json'))
    expect({ dependencies, peerDependencies, peerDependenciesMeta }).toEqual({
      peerDependencies: { react: '>=18' },
      peerDependenciesMeta: { react: { optional: true } },
    })
  })

  it('decides as the source does', async () => {
    const built = (await import(`${root}sdk-browser/dist/decide.js`)) as { readonly decide: typeof decideInPage }
    const salt = '0123456789abcdef'
    const shop = { phase: 'running', hash: 1, epoch: 1, weight: 60, salt, canary: 'canary-b' } as const
    const seen = new Map<string, number>()
    for (let i = 0; i < 10_000; i++) {
      const made = built.decide({ version: 1, rollouts: { shop } }, 'shop', `user-${i} é`)
      expect(made).toEqual(decideInPage({ version: 1, rollouts: { shop } }, 'shop', `user-${i} é`))
      seen.set(made.variant, (seen.get(made.variant) ?? 0) + 1)
    }
    expect([...seen.values()].map((n) => Math.round(n / 1000)).sort()).toEqual([4, 6])
  })

  it('is a global for script tags', () => {
    const made: unknown = runInNewContext(`${read('dist/pipit.js')};typeof pipit.createClient`, {
      ...{ TextEncoder, Uint8Array },
    })
    expect(made).toBe('function')
  })
})
