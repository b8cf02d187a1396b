import type { Cancel, Clock } from '@pipit/shared/clock'
import type { Log } from '../platform/index.ts'
import type { Hub } from '../push/index.ts'
import type { Stores } from '../storage/ports.ts'
import { judgementOf } from './routes/rollouts.ts'
import { rolloutView } from './views.ts'

/** One thing that a watcher is told. */
export interface LiveEvent {
  readonly event: 'rollout' | 'removed' | 'instances' | 'ready'
  readonly data: string
}

export interface LiveFeed {
  /** Watchers of all environments. */
  readonly watchers: number
  /** Tells the whole picture first and then what changes. */
  watch(environment: string, tell: Tell): Cancel
}

/** What the feed looks at. */
export interface FeedDeps {
  readonly storage: {
    readonly rollouts: Pick<Stores['rollouts'], 'list'>
    readonly judge: Pick<Stores['judge'], 'get'>
  }
  readonly hub: Pick<Hub, 'convergence' | 'instances'>
  readonly clock: Pick<Clock, 'setTimer'>
  readonly log: Pick<Log, 'warn'>
}

const feedEveryMs = 1000

type Tell = (events: readonly LiveEvent[]) => void

interface Watched {
  /** Who watches, and whether they have had the whole picture. */
  readonly tellers: Map<Tell, { whole: boolean }>
  /** The last picture: event by its name and key. */
  shown: Map<string, LiveEvent>
  /** One look at a time: news never overtake each other. */
  last: Promise<void>
  cancel: Cancel
}

/**
 * What live pages see. One look at storage per second and environment serves every watcher, and only while there is one. A look compares
 * the whole picture with the last one, so nothing is missed whatever happened in between: judgements change without a new version.
 */
export function createLiveFeed(deps: FeedDeps): LiveFeed {
  const watched = new Map<string, Watched>()

  async function picture(environment: string): Promise<Map<string, LiveEvent>> {
    const records = await deps.storage.rollouts.list(environment)
    const events = new Map<string, LiveEvent>()
    for (const record of records) {
      const view = rolloutView(record, await judgementOf(deps, record))
      events.set(`rollout ${record.key}`, { event: 'rollout', data: JSON.stringify(view) })
    }
    const newest = deps.hub.convergence(environment)[0]
    const instances = {
      connected: deps.hub.instances(environment).filter(({ kind }) => kind === 'server').length,
      ...(newest === undefined ? {} : { version: newest.version, applied: newest.applied, of: newest.instances }),
    }
    events.set('instances', { event: 'instances', data: JSON.stringify(instances) })
    return events
  }

  async function look(environment: string, here: Watched): Promise<void> {
    here.cancel()
    try {
      const now = await picture(environment)
      const changes = differences(here.shown, now)
      here.shown = now
      for (const [tell, told] of here.tellers) {
        if (!told.whole) tell([...now.values(), { event: 'ready', data: '{}' }])
        else if (changes.length > 0) tell(changes)
        told.whole = true
      }
    } catch (error) {
      deps.log.warn('live pages could not be told the news', { environment, error: String(error) })
    }
    if (here.tellers.size > 0) here.cancel = deps.clock.setTimer(feedEveryMs, () => lookSoon(environment, here))
  }

  function lookSoon(environment: string, here: Watched): void {
    here.last = here.last.then(() => look(environment, here))
  }

  return {
    get watchers() {
      return [...watched.values()].reduce((sum, { tellers }) => sum + tellers.size, 0)
    },
    watch(environment, tell) {
      const here = watched.get(environment) ?? {
        tellers: new Map(),
        shown: new Map(),
        last: Promise.resolve(),
        cancel: () => undefined,
      }
      watched.set(environment, here)
      here.tellers.set(tell, { whole: false })
      lookSoon(environment, here)
      return () => {
        here.tellers.delete(tell)
        if (here.tellers.size > 0 || watched.get(environment) !== here) return
        here.cancel()
        watched.delete(environment)
      }
    },
  }
}

function differences(before: ReadonlyMap<string, LiveEvent>, now: ReadonlyMap<string, LiveEvent>): LiveEvent[] {
  const changed = [...now].filter(([name, event]) => before.get(name)?.data !== event.data).map(([, event]) => event)
  const removed = [...before].filter(([name]) => !now.has(name))
  return [
    ...changed,
    ...removed.map(
      ([name]): LiveEvent => ({ event: 'removed', data: JSON.stringify({ key: name.slice('rollout '.length) }) }),
    ),
  ]
}
