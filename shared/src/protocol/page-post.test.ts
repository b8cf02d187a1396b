import { describe, expect, it } from 'vitest'
import type { PageReport } from './page.ts'
import { parsePagePost } from './parse-page-post.ts'

const head = { type: 'reports', key: 'web_x', instance: 'page-0001', sdk: { name: 'p', version: '1' } }
const decision = { rollout: 'r', epoch: 1, variant: 'canary', reason: 'split', randomised: true }
const outcome = { ...decision, ok: true, ms: [null, 3] }
const event = { event: 'buy', ageMs: 2 }

function readOf(post: object) {
  const envelope = parsePagePost(JSON.stringify(post))
  if (!envelope.ok) throw new Error(envelope.error.message)
  return envelope.message.read()
}

function reportOf(fields: object) {
  const read = readOf({ ...head, reports: [{ seq: 1, ...fields }] })
  const first = read.ok ? read.message.reports[0] : undefined
  if (first?.ok !== true) throw new Error(first?.error.message)
  return first.message
}

describe('what a page posts', () => {
  it('is a greeting or reports, each with its own user', () => {
    const told: PageReport = {
      ...{ seq: 2, user: { id: 'ada', plan: 'pro' }, userHash: 'ab'.repeat(32), cookies: { a: 'b' } },
      outcomes: [{ ...decision, rule: 'half', ok: false, kind: '5xx', ms: [null, 0, 1e15] }],
      exposures: [decision],
      events: [{ event: 'buy', ageMs: 0, value: -1e15, id: 'order-1' }],
      dropped: { events: 3 },
    }
    const sender = { instance: 'page-0001', sdk: { name: 'p', version: '1' } }
    expect(readOf({ ...head, reports: [{ ...told, more: 1 }] })).toEqual({
      ok: true,
      message: { head: { type: 'reports', ...sender }, reports: [{ ok: true, message: { report: told } }] },
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

  it.each<[string, object, string]>([
    ['no list of outcomes', { outcomes: { 0: outcome } }, 'outcomes'],
    ['no outcome', { outcomes: [7] }, 'outcomes[0]'],
    ['an outcome of nothing', { outcomes: [outcome, { ...outcome, rollout: undefined }] }, 'outcomes[1].rollout'],
    ['a long name', { outcomes: [{ ...outcome, variant: 'x'.repeat(129) }] }, 'outcomes[0].variant'],
    ['a long rule', { exposures: [{ ...decision, rule: 'x'.repeat(129) }] }, 'exposures[0].rule'],
    ['half an epoch', { exposures: [{ ...decision, epoch: 1.5 }] }, 'exposures[0].epoch'],
    ['a text for a flag', { exposures: [{ ...decision, randomised: 'yes' }] }, 'exposures[0].randomised'],
    ['no reason', { exposures: [{ ...decision, reason: '' }] }, 'exposures[0].reason'],
    ['an outcome that says not how', { outcomes: [{ ...outcome, ok: undefined }] }, 'outcomes[0].ok'],
    ['an unknown kind', { outcomes: [{ ...outcome, ok: false, kind: '3xx' }] }, 'outcomes[0].kind'],
    ['no latencies', { outcomes: [{ ...outcome, ms: undefined }] }, 'outcomes[0].ms'],
    ['a latency for the list', { outcomes: [{ ...outcome, ms: 3 }] }, 'outcomes[0].ms'],
    ['a negative latency', { outcomes: [{ ...outcome, ms: [-1] }] }, 'outcomes[0].ms[0]'],
    ['a latency that is no number', { outcomes: [{ ...outcome, ms: ['1'] }] }, 'outcomes[0].ms[0]'],
    ['a latency of ages', { outcomes: [{ ...outcome, ms: [1.1e15] }] }, 'outcomes[0].ms[0]'],
    ['no name of an event', { events: [{ ageMs: 1 }] }, 'events[0].event'],
    ['an event to come', { events: [{ ...event, ageMs: -1 }] }, 'events[0].ageMs'],
    ['a value that is a text', { events: [{ ...event, value: '3' }] }, 'events[0].value'],
    ['a value beyond all', { events: [{ ...event, value: -1.1e15 }] }, 'events[0].value'],
    ['a value that JSON has not', { events: [{ ...event, value: null }] }, 'events[0].value'],
    ['an id that is long', { events: [{ ...event, id: 'x'.repeat(129) }] }, 'events[0].id'],
    ['counts that are none', { dropped: { events: 'x' } }, 'dropped.events'],
  ])('loses %s alone, and says which it was', (_name, fields, path) => {
    const { report, leftOut } = reportOf({ exposures: [decision], events: [event], ...fields })
    expect(leftOut).toMatchObject({ type: 'error', code: 'bad-report', retry: false, path: `reports[0].${path}` })
    expect(leftOut).not.toHaveProperty('seq')
    expect(leftOut?.message).toContain(`reports[0].${path} `)
    expect(report.dropped).toEqual({ invalid: 1 })
    expect(report.outcomes ?? []).toEqual(path.startsWith('outcomes[1]') ? [outcome] : [])
    expect(report.exposures).toEqual('exposures' in fields ? [] : [decision])
    expect(report.events).toEqual('events' in fields ? [] : [event])
  })

  it('loses single latencies, and adds to what the page had to drop', () => {
    const outcomes = [
      { ...outcome, ms: [1, 'x', null, {}] },
      { ...outcome, ms: [-1] },
    ]
    const { report, leftOut } = reportOf({ outcomes, dropped: { invalid: 2, outcomes: 1 } })
    expect(report.outcomes).toEqual([{ ...outcome, ms: [1, null] }])
    expect(report.dropped).toEqual({ invalid: 5, outcomes: 1 })
    expect(leftOut?.message).toMatch(/outcomes\[0\]\.ms\[1\] must be .*, and 2 more; the rest of it is stored/)
  })

  it('takes no longer the more is wrong with it, and keeps what came before', () => {
    const { report, leftOut } = reportOf({
      outcomes: [outcome, ...new Array(100).fill(7)],
      exposures: [decision, ...new Array(120_000).fill(7), decision],
      events: [event],
    })
    expect(report.outcomes).toEqual([outcome])
    expect(report.exposures).toEqual([decision])
    expect(report.events).toEqual([])
    expect(report.dropped).toEqual({ invalid: 100 + 120_000 + 1 + 1 })
    expect(leftOut?.message).toMatch(/outcomes\[1\] must be an object, and 120101 more/)
  })

  it.each<[string, object]>([
    ['user', { user: { note: 'x'.repeat(9000) } }],
    ['user.id', { user: { id: true } }],
    ['cookies.a', { cookies: { a: 1 } }],
    ['userHash', { userHash: 'abc' }],
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
