/**
 * `npm run bench -- hash`: candidates for the hash that assigns users, by speed, uniformity and independence. Candidates live here only.
 */
import { randomUUID } from 'node:crypto'
import { bucketOf, prepareSalt, saltedHash } from '@pipit/shared/hash'
import { printTimings, sideBySide } from './side-by-side.ts'

type Hash = (salt: string, unit: string) => number

function fnv1a(text: string, start: number): number {
  let h = start
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}

function fmix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** cyrb53 (bryc, public domain), upper 32 bits. */
function cyrb(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2_654_435_761)
    b = Math.imul(b ^ code, 1_597_334_677)
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909)
  return a >>> 0
}

const prepared = new Map<string, ReturnType<typeof prepareSalt>>()
function ours(salt: string, unit: string): number {
  let known = prepared.get(salt)
  if (known === undefined) {
    known = prepareSalt(salt)
    prepared.set(salt, known)
  }
  return saltedHash(known, unit)
}

const states = new Map<string, number>()
function fnvState(salt: string): number {
  let state = states.get(salt)
  if (state === undefined) {
    state = fnv1a(salt, 0x811c9dc5)
    states.set(salt, state)
  }
  return state
}

const hashes: { readonly [name: string]: Hash } = {
  'murmur3, salt absorbed (chosen)': ours,
  'fnv-1a, salt as state': (salt, unit) => fnv1a(unit, fnvState(salt)),
  'fnv-1a + fmix32, salt as state': (salt, unit) => fmix(fnv1a(unit, fnvState(salt))),
  'cyrb53 >> 32, text joined': (salt, unit) => cyrb(salt + unit),
}

const count = 1_000_000
const kinds: { readonly [kind: string]: readonly string[] } = {
  sequential: Array.from({ length: count }, (_, i) => `user-${i}`),
  integers: Array.from({ length: count }, (_, i) => String(i)),
  uuid: Array.from({ length: count }, () => randomUUID()),
  email: Array.from({ length: count }, (_, i) => `person.${i}@mail${i % 17}.example`),
}

function chiSquareZ(hash: Hash, units: readonly string[]): number {
  const counts = new Uint32Array(100_000)
  for (const unit of units) {
    const bucket = bucketOf(hash('Qm4rT9xWz0aBcDeF', unit))
    counts[bucket] = (counts[bucket] as number) + 1
  }
  const chi = counts.reduce((sum, n) => sum + (n - count / 100_000) ** 2 / (count / 100_000), 0)
  return (chi - 99_999) / Math.sqrt(2 * 99_999)
}

/** Worst deviation, in standard errors, of "in the first 10 % of two rollouts" from 1 % over pairs of salts. */
function worstPair(hash: Hash, units: readonly string[]): number {
  const sample = units.slice(0, 100_000)
  const inside = Array.from({ length: 24 }, (_, s) =>
    sample.map((unit) => bucketOf(hash(`rollout-salt-${String(s).padStart(3, '0')}`, unit)) < 10_000),
  )
  let worst = 0
  for (let a = 0; a < inside.length; a++) {
    for (let b = a + 1; b < inside.length; b++) {
      let both = 0
      for (let i = 0; i < sample.length; i++) if (inside[a]?.[i] && inside[b]?.[i]) both++
      worst = Math.max(worst, Math.abs(both - sample.length / 100) / Math.sqrt((sample.length / 100) * 0.99))
    }
  }
  return worst
}

console.log('uniformity: z of chi-square over 100 000 buckets, a million units of each kind (beyond 3 is bad);')
console.log('independence: worst of 276 pairs of rollouts, standard errors (beyond 4.5 is bad)')
for (const [name, hash] of Object.entries(hashes)) {
  const uniform = Object.entries(kinds).map(([kind, units]) => `${kind} ${chiSquareZ(hash, units).toFixed(1)}`)
  const pairs = ['sequential', 'integers'].map((kind) => `${kind} ${worstPair(hash, kinds[kind] ?? []).toFixed(1)}`)
  console.log(`  ${name.padEnd(34)} z: ${uniform.join(', ')};  pairs: ${pairs.join(', ')}`)
}

for (const [title, units] of [
  ['12 characters (user-1000123)', Array.from({ length: 10_000 }, (_, i) => `user-${1_000_000 + i}`)],
  ['16 characters', Array.from({ length: 10_000 }, (_, i) => `u${String(i).padStart(15, '0')}`)],
  ['36 characters (UUID)', (kinds.uuid ?? []).slice(0, 10_000)],
] as const) {
  const candidates = Object.entries(hashes).map(([name, hash]) => ({
    name,
    run: () => {
      let sum = 0
      for (const unit of units) sum += hash('Qm4rT9xWz0aBcDeF', unit)
      return sum
    },
  }))
  printTimings(`speed, ${title}`, sideBySide(candidates, units.length, 31))
}
