export { type Attributes, compilePath } from './attributes.ts'
export { type Cohort, isMember } from './cohort.ts'
export { type CohortIndex, createCohortIndex, recordUses, sameUses } from './cohort-index.ts'
export { type ConditionScope, compileCondition, compileValueTest, type Predicate } from './condition.ts'
export { type Comparison, explainCondition } from './explain-condition.ts'
export {
  applyMembers,
  createMemberCollector,
  diffMembers,
  emptyMembers,
  type MemberChange,
  type MemberDelta,
  MemberList,
  memberListOf,
} from './member-list.ts'
export { decodeHashes, type MemberText } from './member-text.ts'
export type {
  Condition,
  Deal,
  LayerRange,
  Phase,
  Prerequisite,
  Rule,
  Ruleset,
  RulesetCohort,
  RulesetRollout,
  Serve,
  Thresholds,
  TimeWindow,
  Variant,
} from './model.ts'
export { phases, ruleFields, userAgentFields, weekdays } from './model.ts'
export { nearest } from './nearest.ts'
export { sameJson } from './operators.ts'
export type { PageResult, PageRollout, PageRuleset } from './page.ts'
export { regexFault, regexWork } from './regex-safety.ts'
export { compileTimeWindow } from './time-window.ts'
export { validateCohort, validateCohortGraph } from './validate-cohort.ts'
export { cohortsInCondition, conditionLimits, validateCondition, validateValueTest } from './validate-condition.ts'
export { type RuleScope, validateRules } from './validate-rules.ts'
