export type {
  Condition,
  Phase,
  Rule,
  Ruleset,
  RulesetCohort,
  RulesetRollout,
  Serve,
  Thresholds,
  Variant,
} from './model.ts'
export { phases } from './model.ts'
