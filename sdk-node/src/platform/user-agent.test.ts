import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createUserAgentReader } from './user-agent.ts'

interface Agent {
  readonly text: string
  readonly listed: 'mobile' | 'desktop'
  readonly [field: string]: string
}

/** 44 of the most frequent agents of 2024, from microlinkhq/top-user-agents, MIT. */
const { agents } = JSON.parse(readFileSync(new URL('data/user-agents.json', import.meta.url), 'utf8')) as {
  readonly agents: readonly Agent[]
}
const read = createUserAgentReader()

const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'

describe('a User-Agent header', () => {
  it('has all 44 of the sample', () => {
    expect(agents).toHaveLength(44)
  })

  it.each(agents.map((agent) => [agent.text, agent] as const))(
    'is read: %s',
    (_text, { text, listed, ...expected }) => {
      const agent = read(text)
      expect(agent).toMatchObject(expected)
      expect(agent?.version).toBe(expected.version)
      expect(agent?.bot).toBe(false)
      expect(agent?.mobile === true || agent?.tablet === true).toBe(listed === 'mobile')
    },
  )

  it.each<[string, object]>([
    [
      'Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1',
      { browser: 'Safari', version: '12.1', os: 'iOS', osVersion: '12.2', tablet: true, mobile: false },
    ],
    [
      'Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko',
      { browser: 'Internet Explorer', version: '11.0', os: 'Windows', osVersion: '7', mobile: false },
    ],
    [
      'Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0',
      { browser: 'Firefox', version: '127.0', os: 'Android', osVersion: '14', engine: 'Gecko', mobile: true },
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15',
      { browser: 'Firefox', version: '127.0', os: 'iOS', engine: 'WebKit', mobile: true },
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/126.0.2592.56 Mobile/15E148 Safari/604.1',
      { browser: 'Edge', version: '126.0.2592.56', os: 'iOS', mobile: true },
    ],
  ])('of another device is read: %s', (text, expected) => {
    expect(read(text)).toMatchObject({ ...expected, bot: false })
  })

  it.each([
    'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
    'Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.126 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
    'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
    'Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)',
    'Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)',
    'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)',
    'Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36',
    'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
    'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
    'Twitterbot/1.0',
    'WhatsApp/2.23.20.0',
    'curl/8.5.0',
    'Wget/1.21',
    'python-requests/2.32.3',
    'Go-http-client/2.0',
    'okhttp/4.12.0',
  ])('of a bot is known as one: %s', (text) => {
    expect(read(text)).toMatchObject({ bot: true, mobile: false })
  })

  it('that says nothing of a browser says nothing', () => {
    expect(read('Mozilla/5.0 (compatible)')).toMatchObject({ browser: undefined, os: undefined, mobile: false })
    expect(read('')).toBeUndefined()
    expect(read(chrome.padEnd(1025))).toBeUndefined()
  })

  it('never throws, whatever it holds', () => {
    const pieces = [
      'Mozilla/5.0 (',
      ')',
      ' ',
      ';',
      '/',
      '1.',
      '\0',
      '\n',
      '(((',
      'Android ',
      'Version/',
      'Chrome/',
      'rv:',
      'bot',
    ]
    for (const a of pieces) {
      for (const b of pieces) {
        for (const text of [a + b, (a + b).repeat(20), `${a}${b.repeat(50)}`, `Mozilla/5.0 (${a}) ${b}`])
          expect(typeof read(text)?.bot, text).toBe('boolean')
      }
    }
  })

  it('is read once, until others have taken its place', () => {
    const small = createUserAgentReader(2)
    const first = small(chrome)
    expect(small(chrome)).toBe(first)
    small('curl/1')
    expect(small(chrome)).toBe(first)
    small('curl/2')
    expect(small(chrome)).not.toBe(first)
    expect(small(chrome)).toEqual(first)
  })
})
