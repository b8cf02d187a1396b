import { describe, expect, it } from 'vitest'
import { checkOptions, type NodeClientOptions } from './options.ts'

const good = { url: 'http://127.0.0.1:4400', key: 'srv_x' }

describe('options', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /give options, at least \{ url, key \}/],
    [{ key: 'srv_x' }, /url must be the http\(s\) address .*, not undefined/],
    [{ ...good, url: 'ws://127.0.0.1' }, /url must be the http\(s\) address/],
    [{ ...good, url: 'http://' }, /url must be the http\(s\) address/],
    [{ ...good, url: 'http://[::1' }, /url must be the http\(s\) address/],
    [{ ...good, url: 'http://127.0.0.1:4400/?key=srv_x' }, /url must be the http\(s\) address/],
    [{ url: good.url }, /key must be a server key/],
    [{ ...good, key: 'srv_x\n' }, /key has a space, a line end/],
    [{ ...good, rolout: 'a' }, /there is no option "rolout"; did you mean "rollout"/],
    [{ ...good, whatever: 1 }, /there is no option "whatever"; there are url, key, rollout/],
    [{ ...good, rollout: 7 }, /rollout must be the key of a rollout/],
    [{ ...good, logger: {} }, /logger must have a method warn/],
    [{ ...good, cacheDir: true }, /cacheDir must be a folder, or false/],
    [{ ...good, maxPendingEvents: -1 }, /maxPendingEvents must be a whole number above 0/],
    [{ ...good, labels: { a: 1 } }, /labels are at most 16 texts/],
  ])('that cannot work are told of: %j', (options, message) => {
    expect(() => checkOptions(options as NodeClientOptions)).toThrow(TypeError)
    expect(() => checkOptions(options as NodeClientOptions)).toThrow(message)
  })

  it('that can work pass', () => {
    expect(() =>
      checkOptions({
        url: 'https://pipit.example/base/',
        key: 'srv_x',
        rollout: 'a',
        cacheDir: false,
        labels: { host: 'a' },
        logger: { warn: () => undefined },
        maxPendingEvents: 1,
        maxRememberedUnits: 1,
      }),
    ).not.toThrow()
  })
})
