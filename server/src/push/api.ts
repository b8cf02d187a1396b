import type { Publisher } from '../engine/api.ts'

/** A connected SDK, as people see it. */
export interface InstanceView {
  readonly instance: string
  readonly environment: string
  /** A page's receipts are shown, and nothing waits for them; of breakers it tells nothing. */
  readonly kind: 'server' | 'page'
  readonly sdk: { readonly name: string; readonly version: string }
  readonly labels: { readonly [name: string]: string }
  readonly connectedAt: number
  readonly lastSeenAt: number
  /** Last version it confirmed; 0 before the first. */
  readonly appliedVersion: number
  readonly bufferedBytes: number
  readonly transport: 'socket' | 'http'
  readonly breakers: readonly string[]
}

/** An instance that decides by an older version than it should. */
export interface Laggard {
  readonly instance: string
  /** The newest that it confirmed; 0 for none. */
  readonly version: number
  /** For how long a newer one has waited for it; of who is not reached, for how long it is gone. */
  readonly sinceMs: number
}

/** How far a version has come: who has confirmed it, how long it took from the publish. Milliseconds. */
export interface Convergence {
  readonly version: number
  readonly publishedAt: number
  /** Everybody who is known to run has confirmed it: nobody is behind, and nobody is not reached. */
  readonly complete: boolean
  /** Those it concerns: who has applied it, who is behind, who is not reached. */
  readonly instances: number
  readonly applied: number
  /** Of those who were there when it was published. */
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly lastMs?: number
  /** Connected, and has not confirmed it; at most 100 of `instances - applied - unreachedCount`. */
  readonly behind: readonly Laggard[]
  /** Hung up without a goodbye before it confirmed this: its process may still decide by the version it had. At most 100. */
  readonly unreached: readonly Laggard[]
  readonly unreachedCount: number
  /** Were not reached and did not come back for so long (limit `unreachedMs`) that they are taken for ended; no more in `instances`. */
  readonly givenUp: number
  /** Pages are counted apart, as of now: a tab that sleeps is not waited for, and is in no percentile. */
  readonly pages?: { readonly connected: number; readonly applied: number }
}

export interface Hub extends Publisher {
  instances(environment: string): readonly InstanceView[]
  /** The newest versions, newest first; at most 100 are kept per environment, in memory: after a restart the list begins anew. */
  convergence(environment: string): readonly Convergence[]
  /** Told by the HTTP fallback that an instance is alive. */
  heard(instance: {
    readonly instance: string
    readonly environment: string
    readonly sdk: string
    readonly labels?: { readonly [name: string]: string } | undefined
    readonly version: number
    readonly breakers?: readonly string[]
  }): void
  /** Closes all sockets with a code that spreads their return: over `spreadMs`, or as long as limit `returnsPerSecond` asks. */
  close(spreadMs?: number): Promise<void>
}
