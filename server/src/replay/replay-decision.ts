import {
  foldTick,
  type JudgeInput,
  type Judgement,
  judge,
  judgeVersion,
  startJudge,
  type Tick,
} from '../analysis/index.ts'

/** An automatic decision with what it was taken on. */
export interface StoredDecision {
  readonly judgement: Judgement
  readonly input: JudgeInput
  /** All closed ticks of the run until then; for another version of the judge. */
  readonly ticks: readonly Tick[]
}

export interface Replay {
  readonly judge: { readonly stored: string; readonly now: string }
  /** `judged`: from the stored memory, to the bit. `folded`: another version of the judge read the run's evidence from its beginning. */
  readonly how: 'judged' | 'folded'
  readonly identical: boolean
  readonly stored: Pick<Judgement, 'label' | 'sentence'>
  readonly recomputed: Pick<Judgement, 'label' | 'sentence'>
  /** Paths that differ, at most twenty. */
  readonly differences: readonly string[]
}

const most = 20

/**
 * Takes a decision again on its stored evidence. By the same version of the judge the judgement has to come out the same to the last bit; by
 * another it says what that one would have decided at that moment, having looked only then.
 */
export function replayDecision({ judgement, input, ticks }: StoredDecision): Replay {
  const isSame = judgement.judge === judgeVersion
  const found = judge(isSame ? input : { ...input, state: refold(input, ticks) })
  const [before, after] = [plain(judgement), plain(found)]
  const differences: string[] = []
  compare(before, after, '', differences)
  return {
    judge: { stored: judgement.judge, now: judgeVersion },
    how: isSame ? 'judged' : 'folded',
    identical: JSON.stringify(before) === JSON.stringify(after),
    stored: { label: judgement.label, sentence: judgement.sentence },
    recomputed: { label: found.label, sentence: found.sentence },
    differences,
  }
}

function refold({ definition, stage }: JudgeInput, ticks: readonly Tick[]): JudgeInput['state'] {
  return ticks.reduce(
    (state, tick) => foldTick(definition, state, tick.epoch === stage.epoch ? { ...tick, stage: stage.index } : tick),
    startJudge(definition),
  )
}

/** As it is stored. */
const plain = (judgement: Judgement): unknown => JSON.parse(JSON.stringify(judgement))

type Record_ = { readonly [key: string]: unknown }
const isRecord = (value: unknown): value is Record_ => typeof value === 'object' && value !== null

function compare(before: unknown, after: unknown, path: string, differences: string[]): void {
  if (differences.length >= most || Object.is(before, after)) return
  if (!isRecord(before) || !isRecord(after)) {
    differences.push(`${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`)
    return
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    compare(before[key], after[key], path === '' ? key : `${path}.${key}`, differences)
  }
}
