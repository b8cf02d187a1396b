import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../testing/index.ts'
import { createHttpFallback } from './http-fallback.ts'
import { createIntroduction } from './introduction.ts'
import type { HttpRequest, HttpResponse } from './platform.ts'

function setup(answer: (request: HttpRequest) => HttpResponse) {
  const clock = createFakeClock()
  const requests: HttpRequest[] = []
  const waits: number[] = []
  const messages: string[] = []
  const troubles: string[] = []
  const fallback = createHttpFallback({
    ...{ clock, random: () => 0.5, url: 'http://control.example/', headers: {} },
    async request(request) {
      requests.push(request)
      return answer(request)
    },
    message: ({ type }) => messages.push(type),
    postpone: (ms) => waits.push(ms),
    trouble: (code) => troubles.push(code),
  })
  return { clock, requests, waits, messages, troubles, fallback }
}

const answerOf = (status: number, body: string, retryAfterMs?: number): HttpResponse => ({
  ...{ status, body, etag: undefined },
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
})

describe('the fallback to HTTP', () => {
  it.each<[string, HttpResponse, number[], string[]]>([
    ['a proxy that says when', answerOf(503, '<h1>busy</h1>', 7000), [7000], []],
    ['a proxy that does not', answerOf(502, '<h1>busy</h1>'), [], []],
    [
      'a server that says it twice',
      answerOf(429, '{"type":"error","code":"limit","message":"m","retry":true,"retryAfterMs":5}', 9),
      [],
      ['error'],
    ],
    [
      'a server that says it in the header',
      answerOf(503, '{"type":"error","code":"limit","message":"m","retry":true}', 9),
      [9],
      ['error'],
    ],
  ])('hears of %s, and calls it no garbage', async (_, answer, waits, told) => {
    const world = setup(({ method }) => (method === 'GET' ? answerOf(304, '') : answer))
    world.fallback.start()
    await world.clock.advance(1)
    expect(world.fallback.sendText('{}')).toBe(true)
    await world.clock.advance(1)
    expect(world.waits).toEqual(waits)
    expect(world.messages).toEqual(['pong', ...told])
    expect(world.troubles).toEqual([])
  })

  it('polls later where it is asked to', async () => {
    const world = setup(() => answerOf(429, '', 60_000))
    world.fallback.start()
    await world.clock.advance(69_999)
    expect(world.requests).toHaveLength(1)
    await world.clock.advance(1)
    expect(world.requests).toHaveLength(2)
    expect(world.fallback.online).toBe(false)
  })
})

describe('what an SDK says of itself over HTTP', () => {
  const platform = { sdk: { name: 'sdk', version: '1' }, random: () => 0.5 }
  it('is the labels of its greeting too, as long as a header can carry them', () => {
    const { headers, hello } = createIntroduction(platform, 'srv_x', { host: 'a b' })
    expect(JSON.parse(decodeURIComponent(headers['x-pipit-labels'] ?? ''))).toEqual({ host: 'a b' })
    expect(headers['x-pipit-instance']).toBe(hello(undefined).instance)
    expect(createIntroduction(platform, 'srv_x', undefined).headers).not.toHaveProperty('x-pipit-labels')
    const long = createIntroduction(platform, 'srv_x', { host: 'ü'.repeat(700) })
    expect(long.headers).not.toHaveProperty('x-pipit-labels')
    expect(long.hello(3).labels?.host).toHaveLength(700)
  })
})
