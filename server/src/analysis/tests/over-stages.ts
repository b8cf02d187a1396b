import { logSumExp } from '../e-value.ts'

/**
 * Evidence of tests that begin anew in each comparison stage, as one e-process of the run: (1/K)·Σ e_k, where stages that have not begun
 * count 1 (STATISTICS 4.3). `logs`: of the stages begun, in order; those beyond the K planned have no weight of their own.
 */
export function overStages(logs: readonly number[], planned: number): number {
  const stages = Math.max(1, planned)
  const begun = logs.slice(0, stages)
  const waiting = stages - begun.length
  return logSumExp(waiting > 0 ? [...begun, Math.log(waiting)] : begun) - Math.log(stages)
}
