import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { type Client, createClient, type NodeClientOptions } from './index.ts'
import { createFileStore } from './platform/file-store.ts'
import { listen, ruleset, rulesetMessage, type ScriptedServer, startScriptedServer, tally } from './scripted-server.ts'
import { version } from './version.ts'

/** Nobody listens there. */
const away = 'http://127.0.0.1:9'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function scriptedServer(): Promise<ScriptedServer> {
  const server = await startScriptedServer()
  cleanUps.push(server.stop)
  return server
}

function client(options: NodeClientOptions): Client & { readonly warnings: readonly string[] } {
  const warnings: string[] = []
  const made = createClient({ logger: { warn: (message) => warnings.push(message) }, rollout: 'checkout', ...options })
  cleanUps.push(() => made.close({ timeoutMs: 0 }))
  return { ...made, warnings }
}

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-sdk-'))
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

describe('rules on the request and the hour', () => {
  const safari =
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.1 Safari/605.1.15'
  const decide = (rule: object, headers?: { readonly [name: string]: string }) => {
    const rules = [{ name: 'x', serve: 'canary', ...rule }] as never
    const rollouts = { checkout: { ...ruleset.rollouts.checkout, weight: 0, rules } } as never
    const sdk = client({ url: away, key: 'srv_x', cacheDir: false, bootstrap: { ...ruleset, rollouts } })
    return sdk.decide('user-1', headers && { headers }).reason
  }

  it('read user agents', () => {
    const old = { userAgent: { browser: 'Safari', version: { $vlt: '16' }, bot: false } }
    expect(decide(old, { 'user-agent': safari })).toBe('rule')
    expect(decide(old, { 'user-agent': safari.replace('15.6.1', '17.5') })).toBe('split')
    expect(decide(old)).toBe('split')
  })

  it('know the time', () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
    expect(decide({ time: { zone: 'Europe/Amsterdam', days } })).toBe('rule')
    const today = new Intl.DateTimeFormat('en', { timeZone: 'UTC', weekday: 'short' }).format().toLowerCase()
    const others = days.filter((_day, i) => Math.abs(i - days.indexOf(today)) % 6 > 1)
    expect(decide({ time: { zone: 'UTC', days: others } })).toBe('split')
  })
})

describe('createClient', () => {
  it('says at once what is wrong with its options', () => {
    expect(() => createClient({ url: away, key: 'k', rolout: 'a' } as NodeClientOptions)).toThrow(
      'createClient: there is no option "rolout"; did you mean "rollout"?',
    )
  })

  it('connects, decides, reports and confirms over a real socket', async () => {
    const { url, reports, keys } = await scriptedServer()
    const sdk = client({ url, key: 'srv_secret', cacheDir: false })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    expect(keys).toEqual(['Bearer srv_secret'])
    const decision = sdk.decide('user-1')
    expect(decision).toMatchObject({ variant: 'canary', reason: 'split', version: 3 })
    expect(decision).not.toHaveProperty('trace')
    expect(sdk.decide('user-1', { explain: true })).toMatchObject({
      ...decision,
      trace: [{ step: 'phase' }, { step: 'split', decided: true, unit: 'user-1', bucket: expect.any(Number) }],
    })
    sdk.outcome(decision, { ok: true, latencyMs: 3 })
    expect(await sdk.flush({ timeoutMs: 10_000 })).toBe(true)
    expect(tally(reports, 'checkout', 'canary')).toEqual([1, 0])
  })

  it('answers with the server never there', async () => {
    const sdk = client({ url: away, key: 'srv_x', cacheDir: false })
    expect(await sdk.ready({ timeoutMs: 20 })).toBe(false)
    expect(sdk.variant('user-1')).toBe('stable')
    expect(await sdk.flush({ timeoutMs: 20 })).toBe(true)
    await expect.poll(() => sdk.warnings).toHaveLength(1)
    expect(sdk.warnings[0]).toMatch(
      /^pipit: no connection to http:.*: .+; deciding from what is known, and trying again/,
    )
    expect(sdk.status().lastError).toMatch(/^unreachable: /)
  })

  it('lives through a server that answers garbage, and says so once', async () => {
    const server = createServer((_request, response) => response.end('<html>'))
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => {
      socket.on('message', () => {
        for (const text of ['', '{', 'null', '[]', '{"type":"ruleset","ruleset":7}', '{"type":"patch"}'])
          socket.send(text)
        socket.send(Buffer.from([0, 1, 2]))
        socket.send(rulesetMessage())
      })
    })
    const url = await listen(server)
    cleanUps.push(() => {
      for (const socket of sockets.clients) socket.terminate()
      server.close()
    })
    const sdk = client({ url, key: 'srv_x', cacheDir: false })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    expect(sdk.variant('user-1')).toBe('canary')
    expect(sdk.warnings).toEqual([expect.stringContaining('does not understand')])
  })

  it('is the version that its package says', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(version).toBe(manifest.version)
  })
})

describe('the last ruleset', () => {
  it('is on disk for a start without the server', async () => {
    const cacheDir = folder()
    await createFileStore({ directory: cacheDir }, away, 'srv_x').save(rulesetMessage())
    const sdk = client({ url: away, key: 'srv_x', cacheDir })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    expect(sdk.variant('user-1')).toBe('canary')
    expect(sdk.status()).toMatchObject({ source: 'store', connected: false })
  })

  it('is written soon after it came', async () => {
    const cacheDir = folder()
    const { url } = await scriptedServer()
    const sdk = client({ url, key: 'srv_x', cacheDir })
    await sdk.ready({ timeoutMs: 10_000 })
    const store = createFileStore({ directory: cacheDir }, url, 'srv_x')
    await expect.poll(() => store.load(), { timeout: 10_000 }).toBeDefined()
    const stored = await store.load()
    expect(JSON.parse(stored ?? '')).toMatchObject({ ruleset })
  })

  it('is left out where the file is damaged', async () => {
    const cacheDir = folder()
    await createFileStore({ directory: cacheDir }, away, 'srv_x').save(rulesetMessage().slice(0, 100))
    const sdk = client({ url: away, key: 'srv_x', cacheDir })
    expect(await sdk.ready({ timeoutMs: 50 })).toBe(false)
    expect(sdk.variant('user-1')).toBe('stable')
    await expect.poll(() => sdk.warnings.join()).toContain('stored ruleset is damaged')
  })

  it('is done without where the folder cannot be used, which is said once', async () => {
    const file = join(folder(), 'a-file')
    writeFileSync(file, '')
    const { url } = await scriptedServer()
    const sdk = client({ url, key: 'srv_x', cacheDir: join(file, 'below') })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    await expect.poll(() => sdk.warnings, { timeout: 10_000 }).toEqual([expect.stringContaining('said once')])
  })

  it('may be given with the program', async () => {
    const sdk = client({ url: away, key: 'srv_x', cacheDir: false, bootstrap: ruleset })
    expect(await sdk.ready()).toBe(true)
    expect(sdk.status()).toMatchObject({ source: 'bootstrap', version: 3 })
  })
})
