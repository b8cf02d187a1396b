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

/** How far a version has come: who has confirmed it, how long it took from the publish. Milliseconds. */
export interface Convergence {
  readonly version: number
  readonly publishedAt: number
  readonly instances: number
  readonly applied: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly lastMs?: number
  readonly behind: readonly string[]
  /** Pages are counted apart, as of now: a tab that sleeps is not waited for, and is in no percentile. */
  readonly pages?: { readonly connected: number; readonly applied: number }
}

export interface Hub extends Publisher {
  instances(environment: string): readonly InstanceView[]
  /** The newest versions, newest first; at most 100 are kept per environment. */
  convergence(environment: string): readonly Convergence[]
  /** Told by the HTTP fallback that an instance is alive. */
  heard(instance: {
    readonly instance: string
    readonly environment: string
    readonly sdk: string
    readonly version: number
    readonly breakers?: readonly string[]
  }): void
  /** Closes all sockets with a code that spreads their return over `spreadMs`. */
  close(spreadMs: number): Promise<void>
}
