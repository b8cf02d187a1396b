import type { RolloutDefinition } from '../rollout/index.ts'
import type { RolloutRecord } from '../storage/ports.ts'
import type { Problem } from './api.ts'

/**
 * Of definitions and states as JSON, over an environment: with 5,000,000 members of cohorts, at 11 characters each, a ruleset then has room in
 * `wireLimits.rulesetBytes`.
 */
const mostBytes = 10_000_000

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))

/** Why a definition cannot be taken, if so: a ruleset that is too large for a message would reach no SDK any more. `others` are the rollouts that it has beside this one. */
export function noRoomFor(
  environment: string,
  definition: RolloutDefinition,
  others: readonly RolloutRecord[],
): Omit<Problem, 'ok'> | undefined {
  const own = bytesOf(definition)
  const together = others.reduce((sum, record) => sum + bytesOf(record.definition) + bytesOf(record.state), own)
  if (together <= mostBytes) return undefined
  return {
    code: 'limit-reached',
    message: `the rollouts of ${environment} would have ${together} bytes together, ${own} of them in ${definition.key}; at most 10,000,000 are sent to SDKs: archive rollouts that have ended, or make payloads smaller`,
  }
}
