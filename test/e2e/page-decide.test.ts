/** What is built for pages, in a real Chromium: it decides from the projection as Node does from the whole ruleset. */
import { readFileSync } from 'node:fs'
import { seededRandom } from '@pipit/shared/clock'
import { compileRuleset, type DecideContext, type Decision, decide, projectPage, type User } from '@pipit/shared/decide'
import { type PageRuleset, parseServerMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { casesOf } from '../conformance/fuzz/batch.ts'
import { environmentOf } from '../conformance/fuzz/fuzz-case.ts'
import { launchChromium } from '../support/chromium.ts'

interface Golden {
  readonly name: string
  readonly rollout: string
  readonly user: User | null
  readonly context?: DecideContext
  readonly expected: { readonly [field: string]: unknown }
}
interface HashSpec {
  readonly published: readonly { readonly text: string; readonly seed: number; readonly hash: number }[]
  readonly split: readonly { readonly salt: string; readonly unit: string; readonly bucket: number }[]
}
/** Somebody, and what the server found for them in each rollout. */
type Asked = readonly [user: User | null, results: { readonly [rollout: string]: object }]

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const goldenDecisions = JSON.parse(read('shared/spec/decide.json')) as {
  readonly ruleset: object
  readonly cases: readonly Golden[]
}
const hashes = JSON.parse(read('shared/spec/hash.json')) as HashSpec

const rulesets = 200
const usersOfEach = 500
const fields = [
  ...(['variant', 'payload', 'reason', 'rule', 'stage', 'epoch', 'version', 'randomised', 'unit', 'slice'] as const),
] satisfies readonly (keyof Decision)[]

let browser: Browser
let page: Page

beforeAll(async () => {
  browser = await launchChromium()
  page = await browser.newPage()
  const served: { readonly [path: string]: string } = { '/decide.js': read('sdk-browser/dist/decide.js') }
  await page.route('**/*', (route) => {
    const body = served[new URL(route.request().url()).pathname]
    return route.fulfill({ contentType: body ? 'text/javascript' : 'text/html', body: body ?? '<!doctype html>' })
  })
  await page.goto('http://127.0.0.1/')
  await page.evaluate(`(async () => {
    const { decide } = await import('/decide.js')
    const running = ${running}
    const projected = ({ version, rollouts }, results) => ({
      version,
      rollouts: Object.fromEntries(
        Object.entries(rollouts).map(([key, one]) => [key, { ...one, ...results[key] }]),
      ),
    })
    const brief = (decision) => JSON.stringify(${JSON.stringify(fields)}.map((field) => (${told})(decision, field)))
    window.decide = decide
    window.decideAll = (ruleset, drawn, asked) => {
      const environment = drawn === null ? {} : { random: () => drawn / 4294967296 }
      return asked.map(([user, results]) => {
        const own = projected(ruleset, results)
        return Object.keys(ruleset.rollouts).map((key) => brief(decide(own, key, user ?? undefined, environment))).join()
      })
    }
    window.hashAll = (...given) => window.decideAll(...given).reduce(running, 0x811c9dc5)
  })()`)
})
afterAll(() => browser?.close())

/** FNV-1a, taken on from one text to the next; here and in the page. */
function running(hash: number, text: string): number {
  let h = hash
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

/** What is compared of a field; here and in the page. Which variant a request gets that is dealt out by itself is a matter of chance. */
function told(decision: Decision, field: keyof Decision): unknown {
  const isChance = decision.reason === 'split' && decision.unit === undefined
  return isChance && (field === 'variant' || field === 'payload') ? null : (decision[field] ?? null)
}

const brief = (decision: Decision): string => JSON.stringify(fields.map((field) => told(decision, field)))

/** Calls a function of the page's window. */
const inPage = <T>(name: string, ...given: readonly unknown[]): Promise<T> =>
  page.evaluate(`window.${name}(...${JSON.stringify(given)})`)

/** As the SDK of a server gets it, with every rollout for browsers. */
function forBrowsers(ruleset: object): Ruleset {
  const { rollouts, ...rest } = ruleset as Ruleset
  const marked = Object.entries(rollouts).map(([key, rollout]) => [key, { ...rollout, browser: true }])
  const whole = { ...rest, rollouts: Object.fromEntries(marked) }
  const parsed = parseServerMessage(
    JSON.stringify({ type: 'ruleset', flushMs: 1000, heartbeatMs: 1000, ruleset: whole }),
  )
  if (parsed.ok && parsed.message.type === 'ruleset') return parsed.message.ruleset
  throw new Error('the ruleset was refused')
}

/** A ruleset of one rollout, in which a unit below this bucket is in. */
const splitAt = (salt: string, bucket: number): PageRuleset => ({
  version: 1,
  rollouts: {
    r: {
      ...{ phase: 'running', hash: 1, epoch: 1, stage: 's', salt, weight: bucket / 1000 },
      canary: 'canary',
    },
  },
})

describe('the golden cases in Chromium', () => {
  it('decides every case as it is expected', async () => {
    const compiled = compileRuleset(forBrowsers(goldenDecisions.ruleset))
    const wrong: object[] = []
    for (const { name, rollout, user, context, expected } of goldenDecisions.cases) {
      const projection = projectPage(compiled, user ?? undefined, context, {})
      const decided = await page.evaluate(
        `decide(${JSON.stringify(projection)}, ${JSON.stringify(rollout)}, ${JSON.stringify(user)} ?? undefined)`,
      )
      const known = Object.fromEntries(
        Object.entries(decided as object).filter(([, value]) => value !== undefined && value !== null),
      )
      try {
        expect(known).toEqual({ rollout, ...expected })
      } catch {
        wrong.push({ name, decided: known, expected })
      }
    }
    expect(wrong).toEqual([])
    expect(goldenDecisions.cases.length).toBeGreaterThan(30)
  })

  it('puts every unit into the bucket of its hash', async () => {
    const published = hashes.published
      .filter(({ text, seed }) => text !== '' && seed === 0)
      .map(({ text, hash }) => ({ salt: '', unit: text, bucket: Math.floor((hash * 100_000) / 2 ** 32) }))
    // Nobody without a unit is split: of a golden case without one the salt gives its last character.
    const split = hashes.split.map(({ salt, unit, bucket }) =>
      unit === '' ? { salt: salt.slice(0, -1), unit: salt.slice(-1), bucket } : { salt, unit, bucket },
    )
    expect([published.length > 1, split.length > 5]).toEqual([true, true])
    for (const { salt, unit, bucket } of [...published, ...split]) {
      const [outside, inside] = await Promise.all(
        [bucket, bucket + 1].map((at) => inPage<Decision>('decide', splitAt(salt, at), 'r', unit)),
      )
      expect([unit, outside?.variant, inside?.variant]).toEqual([unit, 'stable', 'canary'])
    }
  })
})

const random = seededRandom(5)
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789-_@. éßЖ語😀', '\ud800']
const text = (): string => Array.from({ length: 1 + Math.floor(random() * 40) }, () => oneOf(letters)).join('')
const ids = [
  () => oneOf(['u1', 'u2', 'Zoë', '12', 'a b', 'constructor', '__proto__', '']),
  () => `user-${Math.floor(random() * 1e7)}`,
  text,
  () => Math.floor(random() * 1e6),
]

/** Somebody as a page knows them: of JSON. Values come from small sets, so that rules match often. */
function randomUser(): User | null {
  if (random() < 0.05) return oneOf([null, text(), 'u1', ''])
  const whole: { readonly [field: string]: () => unknown } = {
    id: () => oneOf(ids)(),
    plan: () => oneOf(['free', 'pro', 'beta', '']),
    country: () => oneOf(['NL', 'DE', 'US']),
    age: () => oneOf([0, 17, 18, 21, 65.5]),
    tags: () => ['a', 'b', 'c'].filter(() => random() < 0.5),
    app: () => ({ level: oneOf([0, 1, 5, 'x']) }),
    account: () => oneOf(ids)(),
    anonymousId: () => `visitor-${Math.floor(random() * 1e6)}`,
  }
  const kept = Object.entries(whole).filter(([name]) => random() < (name === 'id' ? 0.95 : 0.6))
  return Object.fromEntries(kept.map(([name, make]) => [name, make()])) as User
}

describe('100 000 random users', () => {
  it('get the same decisions in Node and in Chromium', async () => {
    const reasons = new Map<string, number>()
    let users = 0
    for (const fuzzed of casesOf(5, 0, rulesets)) {
      const compiled = compileRuleset(forBrowsers(fuzzed.ruleset))
      const environment = environmentOf(fuzzed)
      const keys = Object.keys(fuzzed.ruleset.rollouts)
      const asked: Asked[] = []
      const here: string[] = []
      for (let i = 0; i < usersOfEach; i++) {
        const user = randomUser()
        const projection = projectPage(compiled, user ?? undefined, fuzzed.context, environment)
        const results = Object.entries(projection.rollouts).map(
          ([key, { canary, payloads, result }]) => [key, { canary, payloads, result }] as const,
        )
        asked.push([user, Object.fromEntries(results)])
        const decisions = keys.map((key) => decide(compiled, key, user ?? undefined, fuzzed.context, environment))
        for (const { reason } of decisions) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
        here.push(decisions.map(brief).join())
      }
      // Of one user all but what is each one's own.
      const { version, rollouts } = projectPage(compiled, undefined, undefined, environment)
      const shared = Object.fromEntries(
        Object.entries(rollouts).map(([key, { canary: _arm, payloads: _of, result: _, ...rest }]) => [key, rest]),
      )
      const given = [{ version, rollouts: shared }, fuzzed.drawn ?? null, asked]
      if ((await inPage<number>('hashAll', ...given)) !== here.reduce(running, 0x811c9dc5)) {
        // To say who it is.
        const there = await inPage<readonly string[]>('decideAll', ...given)
        const at = here.findIndex((one, i) => one !== there[i])
        expect({ of: asked[at], decided: there[at] }, JSON.stringify(shared)).toEqual({
          of: asked[at],
          decided: here[at],
        })
      }
      users += asked.length
    }
    expect(users).toBe(100_000)
    // Each way to a decision that a page can have was gone more than a few times.
    const ways = ['cohort', 'cookie', 'header', 'holdback', 'layer', 'no-unit', 'override', 'phase', 'prerequisite']
    for (const way of [...ways, 'rule', 'split']) expect([way, (reasons.get(way) ?? 0) > 50]).toEqual([way, true])
  })
})
