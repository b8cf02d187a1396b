import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cidrFault, compileCidrs } from './cidr.ts'
import { createCohortIndex } from './cohort-index.ts'
import { compileCondition } from './condition.ts'
import { readAddress } from './ip-address.ts'
import type { Condition } from './model.ts'

const holds = (condition: Condition, user: object): boolean =>
  compileCondition(condition, createCohortIndex({}))?.(user as never) ?? false

/** Addresses close to each other, so that ranges meet them; v6 in every way of writing. */
const v4 = fc
  .tuple(fc.constantFrom(10, 192, 0, 255), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join('.'))
const group = fc.oneof(
  fc.constantFrom('0', '1', 'ffff', '2001', '0db8'),
  fc.nat(0xffff).map((n) => n.toString(16)),
)
const v6 = fc.oneof(
  fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':')),
  fc
    .tuple(fc.array(group, { maxLength: 3 }), fc.array(group, { maxLength: 4 }))
    .map(([front, back]) => `${front.join(':')}::${back.join(':')}`),
  v4.map((address) => `::ffff:${address}`),
  v4.map((address) => `64:ff9b::${address}`),
)
const address = fc.oneof(v4, v6)
const cidr = address.chain((text) => fc.tuple(fc.constant(text), fc.nat(text.includes(':') ? 128 : 32)))
const familyOf = (text: string): 'ipv4' | 'ipv6' => (text.includes(':') ? 'ipv6' : 'ipv4')

describe('ranges of addresses', () => {
  it("hold what node's BlockList holds", () => {
    let inside = 0
    fc.assert(
      fc.property(
        fc.array(cidr, { minLength: 1, maxLength: 5 }),
        fc.array(address, { minLength: 10 }),
        (ranges, asked) => {
          const oracle = new BlockList()
          for (const [text, prefix] of ranges) oracle.addSubnet(text, prefix, familyOf(text))
          const contains = compileCidrs(ranges.map(([text, prefix]) => `${text}/${prefix}`))
          for (const text of [...asked, ...ranges.map(([first]) => first)]) {
            const expected = oracle.check(text, familyOf(text))
            if (expected) inside++
            expect(contains?.(text), text).toBe(expected)
          }
        },
      ),
      { numRuns: 2000 },
    )
    expect(inside).toBeGreaterThan(2000)
  })

  it('read as an address what node reads as one, but for zone ids', () => {
    const words = new Uint32Array(4)
    const char = fc.constantFrom(...'0123456789abcdefABCDEF:.%/g '.split(''))
    const near = fc
      .tuple(address, fc.nat(40), fc.option(char, { nil: '' }), fc.nat(2))
      .map(([text, at, insert, cut]) => text.slice(0, at) + insert + text.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(near, address, fc.string({ unit: char, maxLength: 20 })), (text) => {
        expect(readAddress(text, words), text).toBe(isIP(text) !== 0 && !text.includes('%'))
      }),
      { numRuns: 20_000 },
    )
  })

  it.each<[string, readonly string[], string, boolean]>([
    ['an address alone is a range of one', ['10.0.0.7'], '10.0.0.7', true],
    ['and holds no other', ['10.0.0.7'], '10.0.0.8', false],
    ['a v6 address alone', ['2001:db8::1'], '2001:0DB8:0:0::0:1', true],
    ['bits behind the prefix are left out', ['10.1.2.3/8'], '10.200.0.1', true],
    ['everything', ['0.0.0.0/0'], '203.0.113.9', true],
    ['all of v4 holds no v6', ['0.0.0.0/0'], '2001:db8::1', false],
    ['a v4 range holds the v6 form of its addresses', ['192.168.0.0/16'], '::ffff:192.168.3.4', true],
    ['a range of v6 forms holds v4', ['::ffff:192.168.0.0/112'], '192.168.3.4', true],
    ['the last address', ['10.0.0.0/30'], '10.0.0.3', true],
    ['the one behind it', ['10.0.0.0/30'], '10.0.0.4', false],
    ['a range inside another adds nothing', ['10.0.0.0/8', '10.1.0.0/16'], '10.2.0.0', true],
    ['neighbours', ['10.0.0.0/9', '10.128.0.0/9'], '10.128.0.0', true],
    ['above 2^31', ['224.0.0.0/3'], '255.255.255.255', true],
  ])('%s', (_name, ranges, text, expected) => {
    expect(compileCidrs(ranges)?.(text)).toBe(expected)
  })

  it.each([
    '',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '010.0.0.0/8',
    '[::1]/8',
    ' ::1',
    'x',
  ])('%j is none', (text) => {
    expect(cidrFault(text)).toBeTypeOf('string')
    expect(compileCidrs(['10.0.0.0/8', text])).toBeUndefined()
  })
})

describe('$inCidr and $notInCidr', () => {
  const office = { ip: { $inCidr: ['10.0.0.0/8', '2001:db8::/32'] } }
  const elsewhere = { ip: { $notInCidr: '10.0.0.0/8' } }
  it.each<[Condition, object, boolean]>([
    [office, { ip: '10.1.2.3' }, true],
    [office, { ip: '2001:db8:1::1' }, true],
    [office, { ip: '11.1.2.3' }, false],
    [office, { ip: ['1.1.1.1', '10.0.0.1'] }, true],
    [office, { ip: '10.1.2.3:443' }, false],
    [office, { ip: 'fe80::1%eth0' }, false],
    [office, { ip: 167_837_955 }, false],
    [office, {}, false],
    [elsewhere, { ip: '11.0.0.1' }, true],
    [elsewhere, { ip: '10.0.0.1' }, false],
    [elsewhere, { ip: 'unknown' }, true],
    [elsewhere, {}, true],
    [{ 'hops.ip': { $inCidr: '10.0.0.0/8' } }, { hops: [{ ip: '1.1.1.1' }, { ip: '10.0.0.1' }] }, true],
  ])('%j of %j is %s', (condition, user, expected) => {
    expect(holds(condition, user)).toBe(expected)
  })

  it('with a range that is none are not understood', () => {
    expect(compileCondition({ ip: { $notInCidr: 'office' } }, createCohortIndex({}))).toBeUndefined()
  })
})
