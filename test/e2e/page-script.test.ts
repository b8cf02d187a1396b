/** What `pageScript` writes, in a real browser: through its HTML parser, and under a policy that allows no inline script. */
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, type NodeClient, type PageRuleset, pageScript } from '@pipit/sdk-node'
import fc from 'fast-check'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'

const policy = "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'; base-uri 'none'"

/** As an application's own file: nothing inline is needed to read it. */
const app = `
import { decide } from './decide.js'
const ruleset = JSON.parse(document.getElementById('pipit').textContent)
const { variant, payload, reason } = decide(ruleset, 'checkout', 'user-1')
const found = { ruleset, decided: [variant, payload?.text, reason], scripts: document.scripts.length }
document.documentElement.dataset.found = JSON.stringify(found)
`

/** Ends elements, opens comments, closes texts and changes the state of parsers. */
const hostile = [
  ...['</script>', '</script ', '</script/', '</SCRIPT\t>', '<script>', '<script ', '<!--', '-->', '<![CDATA[', ']]>'],
  ...['&lt;', '&quot;', '"', "'", '`', '\\', '\r\n', '__proto__'],
  ...['\u2028', '\u2029', '\u0000', '\u0085', '\ufeff', '\ufffe', '\ud800', '\udfff', '😀'],
] as const
const texts = fc
  .array(fc.oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 6 })
  .map((parts) => parts.join(''))

/** What a parser finds in a page. */
interface Parsed {
  readonly scripts: readonly string[]
  readonly after: string
  readonly elements: number
}

/** Runs in the browser. */
const parse = `(pages) => pages.map((text) => {
  const { body, scripts } = new DOMParser().parseFromString(text, 'text/html')
  return {
    scripts: [...scripts].map(({ id, textContent }) => id + ' ' + textContent),
    after: body.textContent,
    elements: body.querySelectorAll('*').length,
  }
})`

let browser: Browser
let site: Server
let url: string
let html = ''
let sdk: NodeClient

/** A ruleset in which everything that somebody can name holds this text: names only its beginning, because names are bounded. */
function clientWith(text: string): NodeClient {
  const rollout = { phase: 'running', hash: 1, salt: '0123456789abcdef', epoch: 1, weight: 0, browser: true } as const
  const variants = [{ name: 'stable' }, { name: 'canary', payload: { text, [text]: [text] } }]
  const name = text.slice(0, 100)
  const rules = [{ name, when: { id: 'user-1' }, serve: 'canary' }]
  const rollouts = { checkout: { ...rollout, stage: name, variants, rules } }
  return createClient({
    ...{ url: 'http://127.0.0.1:9', key: 'srv_x', cacheDir: false, logger: { warn: () => undefined } },
    bootstrap: { version: 1, environment: 'production', unitSalt: 'u', cohorts: {}, rollouts },
  })
}

const pageWith = (script: string): string =>
  `<!doctype html><title>-</title><script type="application/json" id="pipit">${script}</script><p id="after">after</p>`

beforeAll(async () => {
  const decide = await readFile(new URL('../../sdk-browser/dist/decide.js', import.meta.url), 'utf8')
  const served: { readonly [path: string]: () => [type: string, body: string] } = {
    // Without a charset: the text must not depend on it.
    '/': () => ['text/html', `${html}<script type="module" src="/app.js"></script>`],
    '/app.js': () => ['text/javascript', app],
    '/decide.js': () => ['text/javascript', decide],
  }
  site = createServer(({ url: path = '' }, response) => {
    const [type, body] = served[path]?.() ?? ['text/plain', '']
    response.writeHead(body ? 200 : 404, { 'content-type': type, 'content-security-policy': policy }).end(body)
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await sdk?.close({ timeoutMs: 0 })
  site?.close()
})

describe('pageScript in Chromium', () => {
  it('is read and decided from under a policy without inline scripts', async () => {
    const text = `${hostile.join(' ')}<script>document.title='caught'</script>`
    sdk = clientWith(text)
    const ruleset = sdk.pageRuleset('user-1')
    html = pageWith(pageScript(ruleset))
    const page = await browser.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => complaints.push(message.text()))
    await page.goto(url)
    const found = (await page.locator('html[data-found]').getAttribute('data-found')) ?? ''
    expect(JSON.parse(found)).toEqual({ ruleset, decided: ['canary', text, 'rule'], scripts: 2 })
    expect(await page.title()).toBe('-')
    expect(complaints).toEqual([])
    // The policy is a strict one: the same page may not run a script of its own.
    html = '<script>document.title = "ran"</script>'
    await page.goto(url)
    expect(complaints.join()).toMatch(/Content Security Policy/)
    expect(await page.title()).not.toBe('ran')
    await page.close()
  })

  it('survives an HTML parser, whatever names and payloads hold', async () => {
    const values = fc.oneof(texts, fc.jsonValue())
    const rulesets = fc.array(fc.tuple(texts, texts, values), { maxLength: 3 }).map(
      (list) =>
        ({
          version: 1,
          rollouts: Object.fromEntries(
            list.map(([key, name, payload]) => [
              key,
              { variants: [{ name, payload }], result: { variant: name, reason: 'rule', rule: name } },
            ]),
          ),
        }) as unknown as PageRuleset,
    )
    const all = fc.sample(rulesets, { numRuns: 3000, seed: 5 })
    const page = await browser.newPage()
    const pages = all.map((ruleset) => pageWith(pageScript(ruleset)))
    const parsed = (await page.evaluate(`(${parse})(${JSON.stringify(pages)})`)) as readonly Parsed[]
    await page.close()
    expect(parsed).toHaveLength(3000)
    parsed.forEach((found, i) => {
      expect(found).toEqual({ scripts: [`pipit ${pageScript(all[i])}`], after: 'after', elements: 1 })
      const read: unknown = JSON.parse(found.scripts[0]?.slice('pipit '.length) ?? '')
      expect(read).toEqual(JSON.parse(JSON.stringify(all[i])))
    })
    // Text as it stands would not survive.
    expect(all.filter((ruleset) => JSON.stringify(ruleset).includes('</script>')).length).toBeGreaterThan(100)
  })
})
