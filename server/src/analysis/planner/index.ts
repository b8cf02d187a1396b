export { planRollout } from './plan-rollout.ts'
export type { RolloutPlan } from './rollout-plan.ts'
export type { PlanTraffic } from './traffic.ts'
