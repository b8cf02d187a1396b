import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { badly, historyOf, live, rolloutOf, startBench, startRollout, well } from '../engine/bench.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { decodeEvidence, type ExportedDecision, encodeEvidence, readExported, replayDecision } from './index.ts'

const start = 1_700_000_000_000

async function decided(arms: Parameters<typeof live>[2], changes: object = {}) {
  const storage = openSqlite({ file: ':memory:' })
  const bench = await startBench({ clock: createFakeClock(start), storage, random: seededRandom(5) })
  await startRollout(bench, changes)
  await live(bench, 200, arms, ({ state }) => state.phase !== 'running')
  const { id } = await rolloutOf(bench)
  const entries = (await historyOf(bench)).filter(({ judgement }) => judgement !== undefined)
  const found = await Promise.all(
    entries.map(async ({ id: historyId, judgement, summary, at }) => {
      const stored = await storage.decisions.get(historyId)
      const evidence = stored === undefined ? undefined : decodeEvidence(stored.evidence)
      if (stored === undefined || evidence === undefined || judgement === undefined) throw new Error('not stored')
      const { input, through } = evidence
      const ticks = await storage.evidence.ticks(id, { fromEpoch: 1, after: -1, through })
      return { decision: { judgement, input, ticks }, stored, summary, at, historyId }
    }),
  )
  return { bench, found }
}

describe('replay', () => {
  it('takes every automatic decision again to the bit: a good canary', async () => {
    const { found } = await decided({ canary: well, stable: well })
    expect(found.map(({ decision }) => decision.judgement.label)).toContain('advance')
    for (const { decision } of found) {
      expect(replayDecision(decision)).toMatchObject({ how: 'judged', identical: true, differences: [] })
    }
  })

  it('takes every automatic decision again to the bit: a bad canary, and a guard that alerts', async () => {
    const guards = [
      { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
      { metric: 'success_rate', worseThan: { relative: 0.99 }, action: 'alert' },
    ]
    const { found } = await decided({ canary: badly, stable: well }, { guards })
    const labels = found.map(({ decision }) => decision.judgement.label)
    expect(labels).toContain('revert')
    expect(found.some(({ summary }) => summary.startsWith('Alert for'))).toBe(true)
    for (const { decision } of found) expect(replayDecision(decision).identical).toBe(true)
  })

  it('costs some tens of kilobytes a decision', async () => {
    const { found } = await decided({ canary: badly, stable: well })
    for (const { stored } of found) expect(stored.evidence.length).toBeLessThan(64 * 1024)
  })

  it('tells what differs where the evidence is not what it was', async () => {
    const { found } = await decided({ canary: badly, stable: well })
    const [{ decision } = { decision: undefined }] = found.slice(-1)
    if (decision === undefined) throw new Error('nothing was decided')
    const [buckets] = decision.input.buckets
    buckets?.canary.failed.fill(0)
    const replay = replayDecision(decision)
    expect(replay.identical).toBe(false)
    expect(replay.differences.join('\n')).toContain('metrics.0.')
  })

  it('lets the present judge read the evidence of an older one from its beginning', async () => {
    const { found } = await decided({ canary: badly, stable: well })
    const [{ decision } = { decision: undefined }] = found.slice(-1)
    if (decision === undefined) throw new Error('nothing was decided')
    const older = {
      ...decision,
      judgement: { ...decision.judgement, judge: 'pipit-1', label: 'hold' as const },
      input: { ...decision.input, state: { judge: 'pipit-1' } },
    }
    expect(replayDecision(older)).toMatchObject({
      judge: { stored: 'pipit-1', now: 'pipit-2' },
      how: 'folded',
      identical: false,
      stored: { label: 'hold' },
      recomputed: { label: 'revert' },
    })
  })

  it('travels as a file, and a damaged one is told', async () => {
    const { found } = await decided({ canary: badly, stable: well })
    const [last] = found.slice(-1)
    if (last === undefined) throw new Error('nothing was decided')
    const exported: ExportedDecision = {
      format: 'pipit-decision-1',
      ...{ rollout: 'checkout-v2', id: last.historyId, at: last.at, summary: last.summary },
      ...{ judgement: last.decision.judgement, ticks: last.decision.ticks },
      evidence: Buffer.from(last.stored.evidence).toString('base64'),
    }
    const read = readExported(JSON.parse(JSON.stringify(exported)))
    expect(read.ok && replayDecision(read.decision).identical).toBe(true)
    expect(readExported({ ...exported, evidence: exported.evidence.slice(9) })).toMatchObject({ ok: false })
    expect(readExported({ hello: 'world' })).toMatchObject({
      message: expect.stringContaining('is no exported decision'),
    })
    expect(readExported(null).ok).toBe(false)
  })

  it('keeps doubles to the last bit', () => {
    const table = Float64Array.of(0.1 + 0.2, 1e-308, Number.MAX_VALUE, 0)
    const arm = { n: table, failed: table, timed: table, over: [table] }
    const buckets = [{ epoch: 1, thresholdsVersion: 0, canary: arm, stable: arm }]
    const back = decodeEvidence(encodeEvidence({ input: { buckets } as never, through: 7 }))
    expect(back?.through).toBe(7)
    expect([...(back?.input.buckets[0]?.canary.over[0] ?? [])]).toEqual([...table])
    expect(decodeEvidence(Uint8Array.of(1, 2, 3))).toBeUndefined()
  })
})
