export { planRollout } from './plan-rollout.ts'
export type { PlannedEffect, RolloutPlan } from './rollout-plan.ts'
export type { PlanTraffic } from './traffic.ts'
