import { afterEach, describe, expect, it } from 'vitest'
import { createClient, type NodeClient, type NodeClientOptions, type PageRuleset, pageScript } from './index.ts'
import { type Report, ruleset, startScriptedServer } from './scripted-server.ts'

/** Nobody listens there. */
const away = 'http://127.0.0.1:9'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function client(options: Partial<NodeClientOptions>): NodeClient & { readonly warnings: readonly string[] } {
  const warnings: string[] = []
  const logger = { warn: (message: string) => warnings.push(message) }
  const made = createClient({ url: away, key: 'srv_x', cacheDir: false, logger, ...options })
  cleanUps.push(() => made.close({ timeoutMs: 0 }))
  return { ...made, warnings }
}

/** A client that holds this from its start on. */
const holding = (rollouts: object, changed: object = {}) =>
  client({ bootstrap: { ...ruleset, ...changed, rollouts } as never })

const { checkout, search } = ruleset.rollouts
const marked = { ...checkout, browser: true }

describe('pageRuleset', () => {
  it('is not there before a ruleset is, and then tells of rollouts for pages alone', async () => {
    const server = await startScriptedServer({ rollouts: { checkout, shown: { ...search, browser: true } } })
    cleanUps.push(server.stop)
    const sdk = client({ url: server.url })
    expect(sdk.pageRuleset('user-1')).toBeUndefined()
    await sdk.ready({ timeoutMs: 10_000 })
    const { rules: _hidden, variants: _arms, ...shown } = search as unknown as { readonly [field: string]: unknown }
    expect(sdk.pageRuleset('user-1')).toEqual({ version: 3, rollouts: { shown: { ...shown, canary: 'canary' } } })
  })

  it('has what headers and cookies decided', () => {
    const sdk = holding({ search: { ...search, browser: true } })
    const resultOf = (...asked: Parameters<typeof sdk.pageRuleset>) =>
      sdk.pageRuleset(...asked)?.rollouts.search?.result
    expect(resultOf('user-1')).toBeUndefined()
    expect(resultOf('user-1', { cookies: { trial: '1' } })).toEqual({
      ...{ variant: 'canary', reason: 'cookie', rule: 'trial' },
    })
    for (const headers of [{ 'x-canary': 'true' }, new Headers({ 'X-Canary': 'true' })])
      expect(resultOf('user-1', { headers })).toEqual({ variant: 'canary', reason: 'header', rule: 'qa' })
  })

  it('knows user agents and the time, as decisions do', () => {
    const rules = [
      { name: 'bots', userAgent: { bot: true }, serve: 'stable' },
      {
        name: 'always',
        time: { zone: 'UTC', days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] },
        serve: 'canary',
      },
    ]
    const sdk = holding({ checkout: { ...marked, rules } })
    const ruleOf = (agent: string) =>
      sdk.pageRuleset('user-1', { headers: { 'user-agent': agent } })?.rollouts.checkout?.result?.rule
    expect(ruleOf('Googlebot/2.1 (+http://www.google.com/bot.html)')).toBe('bots')
    expect(ruleOf('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('always')
  })

  it('exposes nobody', async () => {
    const server = await startScriptedServer({ rollouts: { checkout: marked } })
    cleanUps.push(server.stop)
    const sdk = client({ url: server.url, rollout: 'checkout' })
    await sdk.ready({ timeoutMs: 10_000 })
    for (let i = 0; i < 50; i++) sdk.pageRuleset(`user-${i}`)
    expect(sdk.status().pending.exposures).toBe(0)
    sdk.variant('user-7')
    expect(sdk.status().pending.exposures).toBe(1)
    expect(await sdk.flush({ timeoutMs: 10_000 })).toBe(true)
    const told = server.reports.flatMap(
      (report) => (report as Report & { exposures?: { units: string[] }[] }).exposures ?? [],
    )
    expect(told.flatMap(({ units }) => units)).toHaveLength(1)
  })

  it('serves stable where this process has been alone for longer than the rollout bears', () => {
    const rollouts = {
      lost: { ...marked, deadmanMs: 0, overrides: { 'user-1': 'canary' } },
      patient: { ...marked, deadmanMs: 3_600_000 },
      done: { ...marked, deadmanMs: 0, phase: 'succeeded' },
      reverted: { ...marked, deadmanMs: 0, phase: 'reverted' },
      calm: marked,
    }
    const sdk = holding(rollouts)
    const results = Object.entries(sdk.pageRuleset('user-1')?.rollouts ?? {}).map(([key, { result }]) => [key, result])
    expect(Object.fromEntries(results)).toEqual({
      lost: { variant: 'stable', reason: 'deadman' },
      done: { variant: 'canary', reason: 'phase' },
      reverted: { variant: 'stable', reason: 'phase' },
    })
    expect(sdk.decide('user-1', 'lost')).toMatchObject({ variant: 'stable', reason: 'deadman' })
  })

  it('never throws, whatever the user, headers and options are', () => {
    const throwing = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no')
        },
        has: () => true,
      },
    )
    const sdk = holding({ search: { ...search, browser: true }, checkout: { ...marked, cohorts: ['beta'] } })
    const strange = [undefined, null, 7, '', [], Symbol.iterator, throwing, { id: {} }, { id: throwing }]
    for (const user of strange)
      for (const context of [undefined, null, 7, { headers: throwing }, { cookies: throwing }])
        expect(() => sdk.pageRuleset(user as never, context as never)).not.toThrow()
    expect(sdk.pageRuleset('user-1')).toMatchObject({ version: 3 })
  })

  it('holds nothing that a page may not know, whoever its user is', () => {
    const secrets = {
      rules: [
        { name: 'SECRET-rule-header', header: 'X-SECRET', values: ['SECRET-value'], serve: 'canary' },
        { name: 'SECRET-rule-cookie', cookie: 'SECRET-cookie', condition: { $regex: '^SECRET' }, serve: 'canary' },
        { name: 'SECRET-rule-cohort', cohort: 'SECRET-cohort', serve: { canary: 50, stable: 50 } },
        { name: 'SECRET-rule-when', when: { 'SECRET-attribute': 'SECRET-value' }, serve: 'canary' },
        { name: 'SECRET-rule-agent', userAgent: { browser: 'SECRET-browser' }, serve: 'canary' },
      ],
      cohorts: ['SECRET-cohort'],
      overrides: { 'SECRET-unit': 'canary' },
      prerequisites: [{ rollout: 'SECRET-rollout', variant: 'stable' }],
      layer: { name: 'SECRET-layer', from: 0, to: 100 },
    }
    const sdk = holding(
      {
        open: { ...marked, ...secrets },
        barred: { ...marked, ...secrets, prerequisites: [{ rollout: 'SECRET-rollout', variant: 'canary' }] },
        lost: { ...marked, ...secrets, deadmanMs: 0 },
        'SECRET-rollout': { ...checkout, ...secrets, salt: 'SECRET-salt', stage: 'SECRET-stage', weight: 0 },
      },
      {
        environment: 'SECRET-environment',
        unitSalt: 'SECRET-unit-salt',
        cohorts: { 'SECRET-cohort': { when: { email: { $in: ['SECRET@example.com'] } } } },
      },
    )
    const user = {
      id: 'SECRET-id',
      anonymousId: 'SECRET-anonymous',
      email: 'SECRET@other.example',
      plan: 'SECRET-plan',
    }
    const context = { headers: { authorization: 'SECRET-token' }, cookies: { session: 'SECRET-session' } }
    for (const who of [undefined, 'user-1', 'SECRET-unit', user]) {
      const text = pageScript(sdk.pageRuleset(who, context))
      expect(JSON.parse(text)).toHaveProperty('rollouts.open.salt')
      expect(text).not.toContain('SECRET')
      expect(text).not.toMatch(/rules|cohorts|overrides|prerequisites|layer|members|unitSalt|holdback|@/)
    }
    const met = pageScript(sdk.pageRuleset({ id: 'user-1', email: 'SECRET@example.com' }))
    expect(new Set(met.match(/SECRET[\w-]*/g))).toEqual(new Set(['SECRET-rule-cohort']))
  })
})

describe('pageScript', () => {
  const withText = (text: string): PageRuleset => {
    const { salt, hash, phase, epoch, weight } = marked as never as PageRuleset['rollouts'][string]
    const rollout = { ...{ salt, hash, phase, epoch, weight }, canary: text, payloads: { [text]: { [text]: [text] } } }
    return { version: 1, rollouts: { [text]: { ...rollout, result: { variant: text, reason: 'rule', rule: text } } } }
  }

  it.each([
    '</script><script>alert(1)</script>',
    '<!--<script>',
    ']]>',
    '&quot;&lt;/script&gt;',
    '"\'`\\',
    '\u2028\u2029\u0000\u007f\u0085\ufeff\n',
    '\ud800 alone, \udc00 too',
    'élan 日本 😀',
  ])('says %j as it is, in letters that end nothing', (text) => {
    const script = pageScript(withText(text))
    expect(script).toMatch(/^[ -~]+$/)
    expect(script).not.toMatch(/[<>&]/)
    expect(JSON.parse(script)).toEqual(withText(text))
  })

  it('is null for nothing', () => {
    expect(pageScript(undefined)).toBe('null')
  })
})
