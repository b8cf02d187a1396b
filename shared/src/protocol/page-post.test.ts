import { describe, expect, it } from 'vitest'
import { parsePagePost } from './parse-page-post.ts'

const head = { type: 'reports', key: 'web_x', now: 1000, instance: 'page-0001', sdk: { name: 'p', version: '1' } }
const decision = { rollout: 'r', epoch: 1, variant: 'canary', reason: 'split', randomised: true }
const outcome = { ...decision, ok: true }
const event = { event: 'buy', at: 998 }
const told = { event: 'buy', ageMs: 2 }

function readOf(post: object) {
  const envelope = parsePagePost(JSON.stringify(post))
  if (!envelope.ok) throw new Error(envelope.error.message)
  return envelope.message.read()
}

function reportOf(fields: object, post: object = {}) {
  const read = readOf({ ...head, ...post, reports: [{ seq: 1, ...fields }] })
  const first = read.ok ? read.message.reports[0] : undefined
  if (first?.ok !== true) throw new Error(first?.error.message)
  return first.message
}

const itemsOf = (...items: readonly (readonly [item: unknown, entries: unknown])[]) => ({
  items: Object.fromEntries(items.map(([item, entries]) => [JSON.stringify(item), entries])),
})

describe('what a page posts', () => {
  it('is a greeting or reports, each with its own user', () => {
    const who = { seq: 2, user: { id: 'ada', plan: 'pro' }, userHash: 'ab'.repeat(32), cookies: { a: 'b' } }
    const ruled = { ...decision, rule: 'half' }
    const report = {
      ...who,
      ...itemsOf(
        [{ ...ruled, ok: false, kind: '5xx', slice: { plan: 'pro' } }, [null, 0, 1e15]],
        [decision, [0]],
        [{ event: 'buy', at: 400, value: -1e15, id: 'order-1' }, [0]],
      ),
      dropped: { events: 3, reports: 1 },
    }
    const read = {
      ...who,
      outcomes: [{ ...ruled, ok: false, kind: '5xx', ms: [null, 0, 1e15] }],
      exposures: [decision],
      events: [{ event: 'buy', ageMs: 600, value: -1e15, id: 'order-1' }],
      dropped: { events: 3, reports: 1 },
    }
    const sender = { instance: 'page-0001', sdk: { name: 'p', version: '1' } }
    // A page may say in each of its posts what it greets with.
    const greeting = { protocol: 'x', user: 7, userHash: 7, cookies: 7, labels: 7 }
    expect(readOf({ ...head, ...greeting, reports: [{ ...report, more: 1 }] })).toEqual({
      ok: true,
      message: { head: { type: 'reports', ...sender }, reports: [{ ok: true, message: { report: read } }] },
    })
    const hello = { ...head, type: 'hello', protocol: 1, version: 3, user: { id: 'eve' }, labels: { app: '7' } }
    expect(readOf(hello)).toEqual({
      ok: true,
      message: {
        head: { type: 'hello', protocol: 1, version: 3, user: { id: 'eve' }, labels: { app: '7' }, ...sender },
        reports: [],
      },
    })
  })

  it('has an entry for each time that something happened', () => {
    const other = { ...event, at: 1000 }
    const items = itemsOf(
      [event, [0, 'x', null]],
      [other, [0]],
      [decision, [0, 0]],
      [outcome, [3, 3]],
      [{ ...outcome, ok: false }, []],
    )
    const { report, leftOut } = reportOf(items)
    expect(leftOut).toBeUndefined()
    expect(report.events).toEqual([told, told, told, { ...told, ageMs: 0 }])
    expect(report.exposures).toEqual([decision])
    expect(report.outcomes).toEqual([{ ...outcome, ms: [3, 3] }])
    expect(reportOf(itemsOf([event, []], [decision, []])).report).toMatchObject({ events: [], exposures: [] })
  })

  it.each<[string, unknown, number, number]>([
    ['of the time before it', 1000, 998, 2],
    ['to come', 1000, 1001, 0],
    ['on a clock that nobody knows', undefined, 998, 0],
    ['on a clock that is none', 'x', 998, 0],
    ['on a clock without hands', null, 998, 0],
    ['before all clocks', 0, -5.5, 5.5],
  ])('has events %s', (_name, now, at, ageMs) => {
    expect(reportOf(itemsOf([{ event: 'buy', at }, [0]]), { now }).report.events).toEqual([{ event: 'buy', ageMs }])
  })

  it.each<[string, readonly [unknown, unknown], string]>([
    ['no object', [7, [0]], 'must be an object'],
    ['a list', [[decision], [0]], 'must be an object'],
    ['no entries', [decision, 3], 'whose value must be a list'],
    ['an outcome of nothing', [{ ...outcome, rollout: undefined }, [0]], 'whose rollout must be'],
    ['a long name', [{ ...outcome, variant: 'x'.repeat(129) }, [0]], 'whose variant must have'],
    ['a long rule', [{ ...decision, rule: 'x'.repeat(129) }, [0]], 'whose rule must have'],
    ['half an epoch', [{ ...decision, epoch: 1.5 }, [0]], 'whose epoch must be'],
    ['a text for a flag', [{ ...decision, randomised: 'yes' }, [0]], 'whose randomised must be'],
    ['no reason', [{ ...decision, reason: '' }, [0]], 'whose reason must have'],
    ['an outcome that says not how', [{ ...outcome, ok: null }, [0]], 'whose ok must be'],
    ['an unknown kind', [{ ...outcome, ok: false, kind: '3xx' }, [0]], 'whose kind must be'],
    ['a negative latency', [outcome, [-1]], 'whose entry 0 must be'],
    ['a latency that is no number', [outcome, ['1']], 'whose entry 0 must be'],
    ['a latency of ages', [outcome, [1.1e15]], 'whose entry 0 must be'],
    ['no name of an event', [{ ...event, event: '' }, [0]], 'whose event must have'],
    ['an event of no time', [{ ...event, at: null }, [0]], 'whose at must be'],
    ['an event without a time', [{ ...event, at: undefined }, [0]], 'whose at must be'],
    ['an event of another age', [{ ...event, at: -1.1e12 }, [0]], 'whose at must be'],
    ['a value that is a text', [{ ...event, value: '3' }, [0]], 'whose value must be'],
    ['a value beyond all', [{ ...event, value: -1.1e15 }, [0]], 'whose value must be'],
    ['a value that JSON has not', [{ ...event, value: null }, [0]], 'whose value must be'],
    ['an id that is long', [{ ...event, id: 'x'.repeat(129) }, [0]], 'whose id must have'],
  ])('loses %s alone, and says which it was', (_name, [item, entries], what) => {
    const fields = itemsOf(
      [{ ...outcome, epoch: 2 }, [1]],
      [{ ...decision, epoch: 2 }, [0]],
      [item, entries],
      [{ ...event, value: 1 }, [0]],
    )
    const { report, leftOut } = reportOf(fields)
    const text = JSON.stringify(item)
    const path = `reports[0].items: ${text.slice(0, 80)}${text.length > 80 ? '…' : ''}`
    expect(leftOut).toMatchObject({ type: 'error', code: 'bad-report', retry: false, path })
    expect(leftOut).not.toHaveProperty('seq')
    expect(leftOut?.message).toContain(`left out of report 1: ${path} ${what}`)
    expect(report).toEqual({
      seq: 1,
      outcomes: [{ ...outcome, epoch: 2, ms: [1] }],
      exposures: [{ ...decision, epoch: 2 }],
      events: [{ ...told, value: 1 }],
      dropped: { invalid: 1 },
    })
  })

  it.each<[string, object, string]>([
    ['items that are a list', { items: [1] }, 'items must be an object'],
    ['an item that is no JSON', { items: { 'buy now': [0] } }, 'items: buy now must be JSON'],
    ['an item of another nature', { items: JSON.parse('{"__proto__":[0]}') }, 'items: __proto__ must be JSON'],
    ['counts that are none', { dropped: { events: 'x' } }, 'dropped.events must be a whole number'],
  ])('loses %s alone', (_name, fields, what) => {
    const { report, leftOut } = reportOf(fields)
    expect(report).toMatchObject({ outcomes: [], exposures: [], events: [], dropped: { invalid: 1 } })
    expect(leftOut?.message).toContain(`reports[0].${what}`)
  })

  it('loses single latencies, and adds to what the page had to drop', () => {
    const items = itemsOf([outcome, [1, 'x', null, {}]], [{ ...outcome, epoch: 2 }, [-1]])
    const { report, leftOut } = reportOf({ ...items, dropped: { invalid: 2, outcomes: 1 } })
    expect(report.outcomes).toEqual([{ ...outcome, ms: [1, null] }])
    expect(report.dropped).toEqual({ invalid: 5, outcomes: 1 })
    expect(leftOut?.message).toMatch(/whose entry 1 must be .*, and 2 more; the rest of it is stored/)
  })

  it('takes no longer the more is wrong with it, and keeps what came before', () => {
    const wrong = Array.from({ length: 20_000 }, (_, i) => [String(i), 7])
    const items = {
      [JSON.stringify(outcome)]: [1],
      ...Object.fromEntries(wrong.map(([key, value]) => [`${key}x`, value])),
      [JSON.stringify(decision)]: [0],
    }
    const { report, leftOut } = reportOf({ items })
    expect(report.outcomes).toEqual([{ ...outcome, ms: [1] }])
    expect(report.exposures).toEqual([])
    expect(report.dropped).toEqual({ invalid: 20_001 })
    expect(leftOut?.message).toMatch(/items: 0x must be JSON, and 20000 more/)
    const late = reportOf(itemsOf([outcome, new Array(60_000).fill('x')]))
    expect(late.report.dropped).toEqual({ invalid: 60_000 })
  })

  it.each<[string, object]>([
    ['user', { user: { note: 'x'.repeat(9000) } }],
    ['user.id', { user: { id: true } }],
    ['cookies.a', { cookies: { a: 1 } }],
  ])('is nobody to believe where its %s is broken: that report is refused', (path, fields) => {
    const read = readOf({ ...head, reports: [{ seq: 7, ...fields }, { seq: 8 }] })
    expect(read).toMatchObject({
      ok: true,
      message: {
        reports: [
          { ok: false, error: { code: 'bad-report', retry: false, seq: 7, path: `reports[0].${path}` } },
          { ok: true, message: { report: { seq: 8 } } },
        ],
      },
    })
  })

  it.each([null, { id: null }, { id: '' }, { id: '', anonymousId: null }])('may be about nobody: %j', (user) => {
    expect(readOf({ ...head, type: 'hello', protocol: 1, user, reports: [{ seq: 1, user, items: {} }] })).toMatchObject(
      {
        ok: true,
        message: { head: { type: 'hello' }, reports: [{ ok: true }] },
      },
    )
  })

  it('has at most as many reports as are taken at once', () => {
    const reports = Array.from({ length: 21 }, (_, i) => ({ seq: i + 1, items: {} }))
    expect(readOf({ ...head, reports })).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('has 21 items; at most 20'), path: 'reports' },
    })
    expect(readOf({ ...head, reports: reports.slice(1) })).toMatchObject({ ok: true })
  })

  it.each(['abc', '', 'g'.repeat(64), 'a'.repeat(129), 7, null, {}])('proves nobody by %j', (userHash) => {
    expect(reportOf({ user: { id: 'ada' }, userHash }).report).toMatchObject({ user: { id: 'ada' }, userHash: '' })
    expect(readOf({ ...head, type: 'hello', protocol: 1, userHash })).toMatchObject({
      message: { head: { userHash: '' } },
    })
  })

  it('has its key in it, a text or none', () => {
    for (const [key, expected] of [
      ['web_x', 'web_x'],
      [7, undefined],
      [undefined, undefined],
    ] as const) {
      expect(parsePagePost(JSON.stringify({ key }))).toMatchObject({ ok: true, message: { key: expected } })
    }
    expect(parsePagePost('{"__proto__":{"key":"web_x"}}')).toMatchObject({ ok: true, message: { key: undefined } })
  })
})
