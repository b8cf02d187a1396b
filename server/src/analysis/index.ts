export type { ArmTick, BucketTable, EpochBuckets, Tick } from './evidence.ts'
export { userBuckets } from './evidence.ts'
export { foldTick, judgeVersion, startJudge } from './fold.ts'
export { judge } from './judge.ts'
export type {
  ArmFigures,
  JudgeInput,
  Judgement,
  JudgeState,
  MetricJudgement,
  StageView,
  VerdictReason,
} from './judgement.ts'
export { proposeThresholds, thresholdsFor } from './plan.ts'
