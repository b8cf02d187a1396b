import { seededRandom } from '@pipit/shared/clock'
import { decodeSketch, LatencySketch } from '@pipit/shared/sketch'
import { classicReport, type Judgement, scoreOf } from '../analysis/index.ts'
import { progressOf } from '../rollout/index.ts'
import type { EvidenceTotal, RolloutRecord, Stores } from '../storage/ports.ts'
import type { AnalysisView } from './view-schemas.ts'

type Reads = Pick<Stores['evidence'], 'totals' | 'latency' | 'buckets'>

/** The newest judgement with what people read beside it: the sums it rests on, a score, and the classic tests of the stage under way. */
export async function analysisView(
  evidence: Reads,
  record: RolloutRecord,
  judgement: Judgement | undefined,
): Promise<AnalysisView> {
  const totals: readonly EvidenceTotal[] = await evidence.totals(record.id, record.runEpoch)
  if (judgement === undefined) return { totals }
  const { epoch } = judgement
  const { state: _memory, ...shown } = judgement
  const [canary, stable] = [
    await sketchOf(evidence, record, epoch, 'canary'),
    await sketchOf(evidence, record, epoch, 'stable'),
  ]
  const buckets = (await evidence.buckets(record.id, epoch)).find((entry) => entry.epoch === epoch)
  const classic = classicReport({
    judgement,
    share: (progressOf(record.state)?.weight ?? 0) / 100,
    latency: canary === undefined || stable === undefined ? undefined : { canary, stable },
    buckets,
    random: seededRandom(seedOf(`${record.id}/${epoch}`)),
  })
  return { judgement: shown, score: scoreOf(judgement), classic, totals }
}

async function sketchOf(
  evidence: Reads,
  { id }: RolloutRecord,
  epoch: number,
  arm: 'canary' | 'stable',
): Promise<LatencySketch | undefined> {
  const text = await evidence.latency(id, epoch, arm)
  const sketch = text === undefined ? undefined : (decodeSketch(text) ?? new LatencySketch())
  return sketch !== undefined && sketch.count > 0 ? sketch : undefined
}

/** The same bootstrap for the same stage, whoever asks: FNV-1a of its name. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
