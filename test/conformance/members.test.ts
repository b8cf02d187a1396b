import { readFileSync } from 'node:fs'
import { prepareHash64, unitHash } from '@pipit/shared/hash'
import { decodeHashes, MemberList, memberListOf } from '@pipit/shared/rules'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

interface Spec {
  readonly lists: readonly {
    readonly name: string
    readonly unitSalt: string
    readonly ids: readonly string[]
    readonly count: number
    readonly hashes: string
    readonly digest: string
  }[]
  readonly texts: readonly { readonly hashes: string; readonly members: readonly string[] }[]
  readonly refused: readonly { readonly why: string; readonly count: number; readonly hashes: string }[]
}

const spec = JSON.parse(readFileSync(new URL('../../shared/spec/members.json', import.meta.url), 'utf8')) as Spec
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The text of members, written apart from the product's with big integers. */
function reference(hashes: readonly bigint[]): string {
  const sorted = [...new Set(hashes)].sort((a, b) => (a < b ? -1 : 1))
  const digits = Math.ceil((66 - Math.floor(Math.log2(sorted.length))) / 6)
  const number = (value: bigint, length: number): string =>
    Array.from({ length }, (_, i) => alphabet[Number((value >> BigInt(6 * (length - 1 - i))) & 63n)]).join('')
  let before = 0n
  return sorted
    .map((hash) => {
      const distance = hash - before
      before = hash
      return distance < 1n << BigInt(6 * digits) ? number(distance, digits) : `~${number(distance, 11)}`
    })
    .join('')
}

const hexOf = (words: Uint32Array): string[] =>
  Array.from({ length: words.length / 2 }, (_, i) =>
    [words[2 * i] ?? 0, words[2 * i + 1] ?? 0].map((word) => word.toString(16).padStart(8, '0')).join(''),
  )

describe('members of a cohort', () => {
  it.each(spec.lists.map((item) => [item.name, item] as const))('golden list: %s', (_name, item) => {
    const list = memberListOf(item.ids, prepareHash64(item.unitSalt))
    expect(list.toJSON()).toEqual({ count: item.count, hashes: item.hashes })
    expect(list.digest).toBe(item.digest)
    expect(hexOf(list.words)).toEqual([...new Set(item.ids.map((id) => unitHash(item.unitSalt, id)))].sort())
  })

  it.each(spec.texts)('golden text: $hashes', ({ hashes, members }) => {
    const words = decodeHashes(members.length, hashes)
    if (typeof words === 'string') throw new Error(words)
    expect(hexOf(words)).toEqual(members)
    expect(new MemberList(words).toJSON().hashes).toBe(hashes)
  })

  it.each(spec.refused)('golden refusal: $why', ({ count, hashes }) => {
    expect(typeof decodeHashes(count, hashes)).toBe('string')
  })

  it('have the text that an independent writer gives them', () => {
    const hash = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 30n))
    fc.assert(
      fc.property(fc.array(hash, { minLength: 1, maxLength: 300 }), (hashes) => {
        const text = reference(hashes)
        const words = decodeHashes(new Set(hashes).size, text)
        if (typeof words === 'string') throw new Error(words)
        expect(hexOf(words)).toEqual([...new Set(hashes)].map((own) => own.toString(16).padStart(16, '0')).sort())
        expect(new MemberList(words).toJSON().hashes).toBe(text)
      }),
    )
  })
})
