import type { Convergence, Laggard } from './api.ts'

const kept = 100
const named = 100

interface Publication {
  readonly version: number
  readonly publishedAt: number
  readonly began: number
  /** Addressed, and not confirmed; who is gone included. */
  open: number
  /** Of these, who is gone. */
  unreached: number
  applied: number
  givenUp: number
  /** Milliseconds from the publish to each receipt. */
  readonly times: number[]
  percentiles: Percentiles | undefined
}

type Percentiles = Pick<Convergence, 'p50Ms' | 'p99Ms' | 'lastMs'>

interface Peer {
  readonly instance: string
  /** Newest it confirmed; 0 for none. */
  version: number
  /** Oldest published version that it was told of, or should have been, and has not confirmed. Of no meaning while it lacks none. */
  first: number
  /** Since when it lacks one. */
  since: number
  goneAt: number | undefined
  /** Was there at the publish: how long it took says something about the push. */
  isTimed: boolean
}

export interface ConvergenceLimits {
  /** An instance that hung up without a goodbye and is not back in so long is taken for ended. */
  readonly unreachedMs: number
  /** Instances that are gone and may be back. */
  readonly maxSockets: number
}

/** Who confirmed which version when: what makes a revert provable. One per environment. Times are monotonic where nothing else is said. */
export interface ConvergenceLog {
  /** Addresses everybody who is there, and everybody who is gone and may still be running. `at` is wall time. */
  published(version: number, at: number, now: number): void
  /** An instance is there and decides by `version`; 0 for none that is known. Holding an old one it is waited for like the others. */
  came(instance: string, version: number, now: number): void
  applied(instance: string, version: number, now: number): void
  /** Who said goodbye is not waited for; who was lost may still decide by what it had, and counts as not reached. */
  left(instance: string, how: 'ended' | 'lost', now: number): void
  /** Gives up those that were lost too long ago. */
  expire(now: number): void
  /** Newest first. */
  list(now: number): readonly Convergence[]
}

/**
 * Whoever lacks a version lacks all newer ones: everybody is addressed by each publish, and a receipt confirms the versions before it (bursts
 * are sent as one). So what an instance lacks is a range that ends at the newest, and a receipt costs as much as it confirms, however many
 * versions are kept.
 */
export function createConvergenceLog(limits: ConvergenceLimits): ConvergenceLog {
  const peers = new Map<string, Peer>()
  /** Who lacks something. */
  const lagging = new Set<Peer>()
  const gone = new Set<Peer>()
  let publications: readonly Publication[] = []

  /** The publications that an instance lacks, newest first; `from` and `to` narrow them. */
  function* lacked(peer: Peer, to = Number.POSITIVE_INFINITY): Generator<Publication> {
    if (!lagging.has(peer)) return
    for (const publication of publications) {
      if (publication.version < peer.first) return
      if (publication.version <= to) yield publication
    }
  }

  function confirm(peer: Peer, version: number, now: number): void {
    if (version <= peer.version) return
    for (const publication of lacked(peer, version)) {
      publication.open--
      publication.applied++
      if (!peer.isTimed) continue
      publication.times.push(now - publication.began)
      publication.percentiles = undefined
    }
    peer.version = version
    if (!lagging.has(peer)) return
    const next = publications.findLast((publication) => publication.version > version)
    if (next === undefined) {
      lagging.delete(peer)
      peer.isTimed = true
    } else if (next.version > peer.first) {
      peer.first = next.version
      peer.since = next.began
    }
  }

  function drop(peer: Peer, dropped: (publication: Publication) => void): void {
    for (const publication of lacked(peer)) {
      publication.open--
      if (peer.goneAt !== undefined) publication.unreached--
      dropped(publication)
    }
    lagging.delete(peer)
    gone.delete(peer)
    peers.delete(peer.instance)
  }

  const giveUp = (peer: Peer): void =>
    drop(peer, (publication) => {
      publication.givenUp++
    })

  function joined(instance: string, version: number, now: number): void {
    const peer: Peer = { instance, version, first: 0, since: now, goneAt: undefined, isTimed: true }
    peers.set(instance, peer)
    const newest = publications[0]
    if (version === 0 || newest === undefined || version >= newest.version) return
    // It decides by what was replaced before it came: nobody can say that all have the newest while it has not.
    Object.assign(peer, { first: version + 1, isTimed: false })
    lagging.add(peer)
    for (const publication of lacked(peer)) publication.open++
  }

  function isBack(peer: Peer): void {
    if (peer.goneAt === undefined) return
    peer.goneAt = undefined
    gone.delete(peer)
    for (const publication of lacked(peer)) publication.unreached--
  }

  function viewOf(publication: Publication, now: number): Convergence {
    const { version, publishedAt, open, unreached: unreachedCount, applied, givenUp } = publication
    publication.percentiles ??= percentilesOf(publication.times)
    const lists: { behind: Laggard[]; unreached: Laggard[] } = { behind: [], unreached: [] }
    const most = Math.min(named, open - unreachedCount) + Math.min(named, unreachedCount)
    for (const { instance, version: has, first, since, goneAt } of lagging) {
      if (lists.behind.length + lists.unreached.length >= most) break
      const list = goneAt === undefined ? lists.behind : lists.unreached
      if (first <= version && list.length < named)
        list.push({ instance, version: has, sinceMs: Math.round(now - (goneAt ?? since)) })
    }
    return {
      ...{ version, publishedAt, complete: open === 0, instances: open + applied, applied },
      ...publication.percentiles,
      ...{ ...lists, unreachedCount, givenUp },
    }
  }

  return {
    published(version, publishedAt, began) {
      const counts = { open: peers.size, unreached: gone.size, applied: 0, givenUp: 0 }
      const newest = { version, publishedAt, began, ...counts, times: [], percentiles: undefined }
      for (const peer of peers.values()) {
        if (lagging.has(peer)) continue
        peer.first = version
        peer.since = began
        lagging.add(peer)
      }
      publications = [newest, ...publications].slice(0, kept)
    },
    came(instance, version, now) {
      const peer = peers.get(instance)
      if (peer === undefined) return joined(instance, version, now)
      isBack(peer)
      confirm(peer, version, now)
    },
    applied(instance, version, now) {
      const peer = peers.get(instance)
      if (peer !== undefined && peer.goneAt === undefined) confirm(peer, version, now)
    },
    left(instance, how, now) {
      const peer = peers.get(instance)
      if (peer === undefined) return
      if (how === 'ended') return drop(peer, () => undefined)
      if (peer.goneAt !== undefined) return
      peer.goneAt = now
      gone.add(peer)
      for (const publication of lacked(peer)) publication.unreached++
      const [oldest] = gone
      if (gone.size > limits.maxSockets && oldest !== undefined) giveUp(oldest)
    },
    expire(now) {
      for (const peer of gone) {
        if (now - (peer.goneAt as number) <= limits.unreachedMs) return
        giveUp(peer)
      }
    },
    list: (now) => publications.map((publication) => viewOf(publication, now)),
  }
}

function percentilesOf(times: number[]): Percentiles {
  if (times.length === 0) return {}
  times.sort((a, b) => a - b)
  const at = (q: number): number =>
    Math.round((times[Math.max(0, Math.ceil(q * times.length) - 1)] as number) * 10) / 10
  return { p50Ms: at(0.5), p99Ms: at(0.99), lastMs: at(1) }
}
