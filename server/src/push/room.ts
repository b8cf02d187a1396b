import { type Cadence, diffRulesets, encodeMessage, type PatchMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'

/** SDKs report each second while a rollout is being judged, else each ten. */
const judgedFlushMs = 1000
const idleFlushMs = 10_000

/** One environment as the hub knows it: the ruleset that was published last, ready to be sent. */
export interface Room {
  readonly ruleset: Ruleset
  readonly cadence: Cadence
  /** The encoded `ruleset` message, made once per version and only when somebody needs it. */
  whole(): Buffer
}

export function createRoom(ruleset: Ruleset, heartbeatMs: number): Room {
  const cadence = { flushMs: flushMsOf(ruleset), heartbeatMs }
  let encoded: Buffer | undefined
  return {
    ruleset,
    cadence,
    whole() {
      encoded ??= Buffer.from(encodeMessage({ type: 'ruleset', ruleset, ...cadence }))
      return encoded
    },
  }
}

function flushMsOf(ruleset: Ruleset): number {
  const judged = Object.values(ruleset.rollouts).some(
    ({ phase }) => phase === 'running' || phase === 'paused' || phase === 'awaiting-approval',
  )
  return judged ? judgedFlushMs : idleFlushMs
}

/** What leads from one room to the next; the cadence is told when it changes. */
export function patchBetween(before: Room, after: Room): PatchMessage {
  const patch = diffRulesets(before.ruleset, after.ruleset)
  return before.cadence.flushMs === after.cadence.flushMs ? patch : { ...patch, flushMs: after.cadence.flushMs }
}

/** The answer to a `hello` that holds the newest version already. */
export function nothingNew(room: Room): PatchMessage {
  const { version } = room.ruleset
  return { type: 'patch', from: version, version, ...room.cadence }
}
