import type { TaskUser } from '../decision-task.ts'

/** An SDK that is set up for the task. */
export interface ReadyPeer {
  /** Asks for one flag and the user at one place, as its public API is asked: the answer, or a promise of it. */
  readonly ask: (key: string, at: number) => unknown
  /** The answer that means the canary. */
  readonly canary: string | boolean
  readonly close: () => unknown
}

/** Another SDK, and how it does the task. */
export interface Peer {
  readonly package: string
  readonly call: string
  readonly setUp: string
  /** How many times as fast as it ours is to be. */
  readonly bar: number
  /** True where `ask` promises. */
  readonly awaited?: boolean
  /** Makes the users in the SDK's own shape beforehand, so that no conversion is timed. */
  readonly prepare: (keys: readonly string[], users: readonly TaskUser[]) => ReadyPeer | Promise<ReadyPeer>
}
