import { describe, expect, it } from 'vitest'
import { readClientConfig, readConfig } from './config.ts'

const faults = (env: Record<string, string>, flags: Record<string, string> = {}) => {
  const result = readConfig(env, flags)
  return result.ok ? [] : result.issues
}

describe('settings of the server', () => {
  it('have defaults for everything', () => {
    expect(readConfig({ PATH: '/bin', HOME: '/home/me' })).toEqual({
      ok: true,
      config: { host: '127.0.0.1', port: 4400, databaseFile: './pipit.db', logLevel: 'info', limits: {}, presets: {} },
    })
  })

  it('come from the environment, and from flags before it', () => {
    const result = readConfig(
      { PIPIT_PORT: '5000', PIPIT_HOST: '0.0.0.0', PIPIT_ADMIN_TOKEN: 'adm_0123456789abcdef' },
      { PIPIT_PORT: '6000', PIPIT_DATABASE_URL: 'sqlite:///var/lib/pipit.db' },
    )
    expect(result).toEqual({
      ok: true,
      config: {
        host: '0.0.0.0',
        port: 6000,
        databaseFile: '/var/lib/pipit.db',
        logLevel: 'info',
        limits: {},
        presets: { adminToken: 'adm_0123456789abcdef' },
      },
    })
  })

  it.each([
    ['PIPIT_PORT', '70000', /0 \(any free one\) to 65535; it is "70000"/],
    ['PIPIT_PORT', '80a', /must be a port/],
    ['PIPIT_HOST', 'a b', /must be an address/],
    ['PIPIT_DATABASE_URL', './pipit.db', /must be sqlite:/],
    ['PIPIT_DATABASE_URL', 'postgres://me:pw@db/pipit', /comes with a later version.*postgres:\/\/…@db/],
    ['PIPIT_LOG', 'loud', /debug, info, warn, error/],
    ['PIPIT_ADMIN_TOKEN', 'secret', /must be adm_ and 16/],
    ['PIPIT_SERVER_KEY', 'adm_0123456789abcdef', /must be srv_/],
    ['PIPIT_WEB_KEY', 'web_short', /must be web_/],
  ])('refuse a wrong %s', (name, value, message) => {
    expect(faults({ [name]: value })).toEqual([{ path: name, message: expect.stringMatching(message) }])
  })

  it('never show a secret that is wrong', () => {
    expect(JSON.stringify(faults({ PIPIT_ADMIN_TOKEN: 'hunter2' }))).not.toContain('hunter2')
  })

  it('refuse a name that is not known, and say which one may be meant', () => {
    expect(faults({ PIPIT_PROT: '4400', PIPIT_XYZZY_PLUGH: '1' })).toEqual([
      { path: 'PIPIT_PROT', message: 'is no setting; did you mean PIPIT_PORT?' },
      { path: 'PIPIT_XYZZY_PLUGH', message: expect.stringMatching(/^is no setting; there are PIPIT_HOST, PIPIT_PORT/) },
    ])
  })

  it('take limits, each fault with its name', () => {
    expect(readConfig({ PIPIT_LIMITS: 'maxSockets=5,slowMs=1s' })).toMatchObject({
      config: { limits: { maxSockets: 5, slowMs: 1000 } },
    })
    expect(faults({ PIPIT_LIMITS: 'maxSockets=0,slowMs=1s', PIPIT_LOG: 'y' }).map(({ path }) => path)).toEqual([
      'PIPIT_LOG',
      'PIPIT_LIMITS maxSockets',
    ])
  })

  it('tell all faults at once', () => {
    expect(faults({ PIPIT_PORT: 'x', PIPIT_LOG: 'y' }).map(({ path }) => path)).toEqual(['PIPIT_PORT', 'PIPIT_LOG'])
  })
})

describe('settings of the commands', () => {
  it('find a server on this machine without any', () => {
    expect(readClientConfig({})).toEqual({ ok: true, config: { url: 'http://127.0.0.1:4400', token: undefined } })
  })

  it('refuse what is no address', () => {
    expect(readClientConfig({ PIPIT_URL: 'ftp://x' })).toMatchObject({ ok: false, issues: [{ path: 'PIPIT_URL' }] })
  })
})
