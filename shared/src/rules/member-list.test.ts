import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hash64, hash64Low, prepareHash64 } from '../hash/index.ts'
import { applyMembers, diffMembers, MemberList, memberListOf } from './member-list.ts'
import { decodeHashes } from './member-text.ts'

const salt = prepareHash64('0123456789abcdef')
const has = (list: MemberList, id: string): boolean => {
  const high = hash64(salt, id)
  return list.has(high, hash64Low())
}
const listOf = (ids: Iterable<string>): MemberList => memberListOf([...ids], salt)
const decoded = (list: MemberList): MemberList | string => {
  const { count, hashes } = JSON.parse(JSON.stringify(list)) as { count: number; hashes: string }
  const read = decodeHashes(count, hashes)
  return typeof read === 'string' ? read : new MemberList(read)
}
const same = (one: MemberList | string | undefined, other: MemberList): void => {
  expect(one).toMatchObject({ words: other.words, digest: other.digest })
}
const hashesOf = (hashes: readonly bigint[]): MemberList => {
  const sorted = [...new Set(hashes)].sort((a, b) => (a < b ? -1 : 1))
  return new MemberList(Uint32Array.from(sorted.flatMap((hash) => [Number(hash >> 32n), Number(hash & 0xffffffffn)])))
}

/** Few ids, so that sets meet. */
const ids = fc.array(
  fc.integer({ min: 0, max: 400 }).map((n) => `user-${n}`),
  { maxLength: 300 },
)
/** Anything from one hash to the ends of what 64 bits hold, near each other and far apart. */
const hashes = fc.array(fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 40n)), { maxLength: 200 })

describe('a list of members', () => {
  it('holds what a set of the same ids holds', () => {
    fc.assert(
      fc.property(ids, ids, (members, others) => {
        const list = listOf(members)
        const set = new Set(members)
        expect(list.count).toBe(set.size)
        for (const id of [...members, ...others]) expect(has(list, id)).toBe(set.has(id))
      }),
    )
  })

  it('changes as a set does, and what is both removed and added is in', () => {
    fc.assert(
      fc.property(ids, ids, ids, (members, add, remove) => {
        const set = new Set(members)
        for (const id of remove) set.delete(id)
        for (const id of add) set.add(id)
        same(listOf(members).with({ add: listOf(add), remove: listOf(remove) }), listOf(set))
      }),
    )
  })

  it('stays the same object where a change changes nothing', () => {
    const list = listOf(['a', 'b'])
    expect(list.with({ add: listOf(['a']), remove: listOf(['c']) })).toBe(list)
  })

  it('differs from another by a delta that leads there, and from itself by none', () => {
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        const [from, to] = [listOf(before), listOf(after)]
        const delta = diffMembers(from, to)
        if (delta === undefined) same(from, to)
        else same(applyMembers(from, delta), to)
      }),
    )
    expect(diffMembers(listOf(['a', 'b']), listOf(['b', 'a']))).toBeUndefined()
  })

  it('takes no delta of another list', () => {
    const delta = diffMembers(listOf(['a']), listOf(['b']))
    if (delta === undefined) throw new Error('the lists differ')
    expect(applyMembers(listOf(['c']), delta)).toBeUndefined()
  })

  it('comes back from its text, whatever the hashes', () => {
    fc.assert(
      fc.property(hashes, (given) => {
        const list = hashesOf(given)
        same(decoded(list), list)
        for (const hash of given) expect(list.has(Number(hash >> 32n), Number(hash & 0xffffffffn))).toBe(true)
      }),
    )
  })

  it('finds each hash also where somebody has made them fall into one place', () => {
    const low = hashesOf(Array.from({ length: 2000 }, (_, i) => (7n << 40n) + BigInt(i * 3)))
    const high = hashesOf(Array.from({ length: 2000 }, (_, i) => 2n ** 64n - 1n - BigInt(i * 3)))
    for (const list of [low, high]) {
      for (let i = 0; i < 2000; i++) {
        const [h, l] = [list.words[2 * i] as number, list.words[2 * i + 1] as number]
        expect([list.has(h, l), list.has(h, l + 1), list.has(h, l - 1)]).toEqual([true, false, false])
      }
    }
  })

  it('finds hashes given as signed halves, and none beyond its ends', () => {
    const list = hashesOf([1n, 2n ** 63n, 2n ** 64n - 2n])
    expect(list.has(-1, -2)).toBe(true)
    expect(list.has(-1, -1)).toBe(false)
    expect(list.has(-(2 ** 31), 0)).toBe(true)
    expect(list.has(0, 0)).toBe(false)
    expect(hashesOf([]).has(0, 0)).toBe(false)
  })

  it('takes at most 8.1 bytes a member in memory and 8.1 on the wire, at a million and at a third of it', () => {
    for (const count of [1_000_000, 333_333]) {
      const list = listOf(Array.from({ length: count }, (_, i) => `user-${i}`))
      expect(list.count).toBe(count)
      expect(list.bytes / count).toBeLessThan(8.1)
      expect(JSON.stringify(list).length / count).toBeLessThan(8.1)
      expect(decoded(list)).toHaveProperty('digest', list.digest)
    }
  })
})

describe('the text of members', () => {
  const { count, hashes: text } = listOf(Array.from({ length: 100 }, (_, i) => `user-${i}`)).toJSON()

  it.each([
    ['a count that is none', 0.5, text, 'count must be a whole number'],
    ['a count beyond all bounds', 2 ** 40, text, 'count must be a whole number'],
    ['more than it has', count + 1, text, 'ends before the last'],
    ['less than it has', count - 1, text, 'goes on after the last'],
    ['what is no digit', count, `!${text.slice(1)}`, 'what is no digit'],
    ['what is not ASCII', count, `é${text.slice(1)}`, 'what is no digit'],
    ['an escape at its end', count, `${text.slice(0, -1)}~`, 'what is no digit'],
    ['a hash twice', 2, 'AAAAAAAAAABAAAAAAAAAAA', 'one hash twice'],
    ['the long form without need', 64, `~AAAAAAAAAAB${'AAAAAAAAAB'.repeat(63)}`, 'longer than it needs'],
    ['more than 64 bits', 1, '_'.repeat(11), 'beyond 64 bits'],
    ['an end in a hash', 64, '~'.padEnd(640, 'B'), 'what is no digit'],
  ])('is refused with %s', (_what, size, given, fault) => {
    expect(decodeHashes(size, given)).toMatch(fault)
  })

  it('is read without a throw, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.string({ unit: fc.constantFrom('A', 'B', '_', '~', '!', 'é'), maxLength: 250 }),
        (size, given) => {
          const read = decodeHashes(size, given)
          if (typeof read === 'string') return
          const list = new MemberList(read)
          expect(list.toJSON()).toEqual({ count: size, hashes: given })
        },
      ),
    )
  })
})
