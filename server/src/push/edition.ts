import { createHash } from 'node:crypto'
import { type Cadence, diffRulesets, encodeMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import { messageFrame, textFrame } from './frame.ts'

/** SDKs report each second while a rollout is being judged, else each ten. */
const judgedFlushMs = 1000
const idleFlushMs = 10_000

/** The ruleset of an environment as it was published, ready to be sent. What costs is made once, when somebody first needs it. */
export interface Edition {
  readonly ruleset: Ruleset
  readonly cadence: Cadence
  readonly etag: string
  /** The `ruleset` message. */
  text(): string
  /** The same as a frame. */
  frame(): Buffer
  /** The answer to a `hello` that holds this version already. */
  nothingNew(): Buffer
  /** What an SDK answers that has applied this version. */
  receipt(): Buffer
}

/** SDKs report each `leastFlushMs` or less often. */
export function createEdition(ruleset: Ruleset, heartbeatMs: number, leastFlushMs = 0): Edition {
  const { version } = ruleset
  const cadence = { flushMs: Math.max(flushMsOf(ruleset), leastFlushMs), heartbeatMs }
  // The salt in it keeps versions of different databases apart.
  const database = createHash('sha256').update(ruleset.unitSalt).digest('hex').slice(0, 8)
  const text = once(() => encodeMessage({ type: 'ruleset', ruleset, ...cadence }))
  return {
    ruleset,
    cadence,
    etag: `"${version}-${database}-${cadence.flushMs}"`,
    text,
    frame: once(() => textFrame(text())),
    nothingNew: once(() => messageFrame({ type: 'patch', from: version, version, ...cadence })),
    receipt: once(() => Buffer.from(encodeMessage({ type: 'applied', version }))),
  }
}

/** A paused rollout, and one that waits for approval, still split traffic and may still be reverted by what is reported. */
function flushMsOf(ruleset: Ruleset): number {
  const isJudged = Object.values(ruleset.rollouts).some(
    ({ phase }) => phase === 'running' || phase === 'paused' || phase === 'awaiting-approval',
  )
  return isJudged ? judgedFlushMs : idleFlushMs
}

/** For who holds the edition already: only how often to report. */
export const paceFrame = ({ ruleset: { version }, cadence: { flushMs } }: Edition): Buffer =>
  messageFrame({ type: 'patch', from: version, version, flushMs })

/** What leads from one edition to the next; the cadence is told when it changes. */
export function patchFrame(before: Edition, after: Edition): Buffer {
  const patch = diffRulesets(before.ruleset, after.ruleset)
  const { flushMs } = after.cadence
  return messageFrame(before.cadence.flushMs === flushMs ? patch : { ...patch, flushMs })
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
