import { type Attributes, type Cohort, isMember } from '../rules/index.ts'
import type { CompiledRollout, CompiledRuleset } from './compile.ts'
import type { DecideContext, Decision, User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'

/** A decision to be explained, with all that went into it. */
export interface Asked {
  readonly ruleset: CompiledRuleset
  readonly rollout: CompiledRollout
  readonly user: User | undefined
  readonly attributes: Attributes
  readonly context: DecideContext | undefined
  readonly environment: DecideEnvironment
  readonly unit: string | undefined
  readonly decision: Decision
}

/** A bucket, which is a thousandth of a percent, in percent. */
export const percent = (bucket: number): string => `${bucket / 1000} %`

/** Whether and by what a user is in a cohort. */
export function membership(
  cohort: Cohort | undefined,
  unit: string | undefined,
  attributes: Attributes,
): 'in its list' | 'in it by its condition' | 'not in it' {
  if (cohort === undefined || !isMember(cohort, unit, attributes)) return 'not in it'
  return isMember({ ...cohort, when: undefined }, unit, attributes) ? 'in its list' : 'in it by its condition'
}
