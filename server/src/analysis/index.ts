export { type ClassicReport, classicReport } from './classic/report.ts'
export type {
  ArmTick,
  BucketTable,
  EpochBuckets,
  ExposedBy,
  ExternalTick,
  ForcedTick,
  Requests,
  SliceTick,
  Tick,
  ValueTable,
} from './evidence.ts'
export { userBuckets } from './evidence.ts'
export { foldTick } from './fold.ts'
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
export { judgeVersion, startJudge } from './memory.ts'
export { proposeThresholds, thresholdsFor } from './plan.ts'
export { type Score, scoreOf } from './score.ts'
export { normalSf } from './special/normal.ts'
