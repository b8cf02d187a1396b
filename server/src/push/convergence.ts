import type { Convergence } from './api.ts'

const kept = 100
const behindListed = 100

interface Publication {
  readonly version: number
  readonly publishedAt: number
  readonly began: number
  /** Who was there when it was published, has not confirmed it and has not left since. */
  readonly waiting: Set<string>
  /** Milliseconds from the publish to each receipt. */
  readonly times: number[]
  summary: Convergence | undefined
}

/** Who confirmed which version when: what makes a revert provable. One per environment. */
export interface ConvergenceLog {
  /** `at` is wall time, `now` monotonic. */
  published(version: number, at: number, now: number, instances: Iterable<string>): void
  applied(instance: string, version: number, now: number): void
  /** An instance that is gone is not waited for. */
  left(instance: string): void
  /** Newest first. */
  list(): readonly Convergence[]
}

/**
 * Whoever waits in a publication waits in all newer ones or has confirmed none of them: everybody present is addressed, a receipt of a
 * version confirms those before it (bursts are sent as one), and who leaves is waited for nowhere. So the first publication that does not
 * wait for an instance ends the search, and a receipt costs the same however many versions are kept.
 */
export function createConvergenceLog(): ConvergenceLog {
  let publications: readonly Publication[] = []

  function strike(instance: string, upTo: number, struck: (publication: Publication) => void): void {
    for (const publication of publications) {
      if (publication.version > upTo) continue
      if (!publication.waiting.delete(instance)) return
      publication.summary = undefined
      struck(publication)
    }
  }

  return {
    published(version, publishedAt, began, instances) {
      const newest = { version, publishedAt, began, waiting: new Set(instances), times: [], summary: undefined }
      publications = [newest, ...publications].slice(0, kept)
    },
    applied: (instance, version, now) =>
      strike(instance, version, ({ times, began }) => {
        times.push(now - began)
      }),
    left: (instance) => strike(instance, Number.POSITIVE_INFINITY, () => undefined),
    list: () =>
      publications.map((publication) => {
        publication.summary ??= summaryOf(publication)
        return publication.summary
      }),
  }
}

function summaryOf({ version, publishedAt, waiting, times }: Publication): Convergence {
  times.sort((a, b) => a - b)
  const at = (q: number): number => rounded(times[Math.max(0, Math.ceil(q * times.length) - 1)] as number)
  const behind: string[] = []
  for (const instance of waiting) {
    if (behind.length >= behindListed) break
    behind.push(instance)
  }
  return {
    version,
    publishedAt,
    instances: waiting.size + times.length,
    applied: times.length,
    ...(times.length === 0 ? {} : { p50Ms: at(0.5), p99Ms: at(0.99), lastMs: at(1) }),
    behind,
  }
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10
