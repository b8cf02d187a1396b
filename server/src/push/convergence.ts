import type { Convergence } from './api.ts'

const kept = 100
const behindListed = 100

interface Publication {
  readonly version: number
  readonly publishedAt: number
  /** By instance: milliseconds from the publish to its receipt. */
  readonly receipts: Map<string, number>
  /** Who was connected when it was published. */
  readonly addressed: Set<string>
}

/** Who confirmed which version when: what makes a revert provable. One per environment. */
export interface ConvergenceLog {
  published(version: number, at: number, instances: Iterable<string>): void
  applied(instance: string, version: number, at: number): void
  /** An instance that is gone is not waited for. */
  left(instance: string): void
  list(): readonly Convergence[]
}

export function createConvergenceLog(): ConvergenceLog {
  let publications: Publication[] = []

  return {
    published(version, at, instances) {
      publications = [
        { version, publishedAt: at, receipts: new Map(), addressed: new Set(instances) },
        ...publications,
      ].slice(0, kept)
    },
    applied(instance, version, at) {
      for (const publication of publications) {
        // A receipt of a newer version confirms those before it: bursts are sent as one.
        if (publication.version > version || publication.receipts.has(instance)) continue
        if (publication.addressed.has(instance))
          publication.receipts.set(instance, Math.max(0, at - publication.publishedAt))
      }
    },
    left(instance) {
      for (const { addressed, receipts } of publications) if (!receipts.has(instance)) addressed.delete(instance)
    },
    list: () => publications.map(summary),
  }
}

function summary({ version, publishedAt, receipts, addressed }: Publication): Convergence {
  const times = [...receipts.values()].sort((a, b) => a - b)
  const at = (q: number): number => times[Math.min(times.length - 1, Math.floor(q * times.length))] as number
  const behind = [...addressed].filter((instance) => !receipts.has(instance)).slice(0, behindListed)
  return {
    version,
    publishedAt,
    instances: addressed.size,
    applied: times.length,
    ...(times.length === 0 ? {} : { p50Ms: at(0.5), p99Ms: at(0.99), lastMs: times.at(-1) as number }),
    behind,
  }
}
