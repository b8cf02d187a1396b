import type { Cancel } from '@pipit/shared/clock'
import type { AppDeps } from './context.ts'
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
  watch(environment: string, tell: (events: readonly LiveEvent[]) => void): Cancel
}

export const feedEveryMs = 1000

interface Watched {
  readonly tellers: Set<(events: readonly LiveEvent[]) => void>
  /** The last picture: event by its name and key. */
  shown: Map<string, LiveEvent>
  cancel: Cancel
}

/**
 * What live pages see. One look at storage per second and environment serves every watcher, and only while there is one. A look compares
 * the whole picture with the last one, so nothing is missed whatever happened in between: judgements change without a new version.
 */
export function createLiveFeed(deps: Pick<AppDeps, 'storage' | 'hub' | 'clock' | 'log'>): LiveFeed {
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
      connected: deps.hub.instances(environment).length,
      ...(newest === undefined ? {} : { version: newest.version, applied: newest.applied, of: newest.instances }),
    }
    events.set('instances', { event: 'instances', data: JSON.stringify(instances) })
    return events
  }

  async function look(environment: string): Promise<void> {
    const here = watched.get(environment)
    if (here === undefined) return
    try {
      const now = await picture(environment)
      const changes = differences(here.shown, now)
      here.shown = now
      if (changes.length > 0) for (const tell of here.tellers) tell(changes)
    } catch (error) {
      deps.log.warn('live pages could not be told the news', { environment, error: String(error) })
    }
    if (here.tellers.size > 0) here.cancel = deps.clock.setTimer(feedEveryMs, () => void look(environment))
  }

  return {
    get watchers() {
      return [...watched.values()].reduce((sum, { tellers }) => sum + tellers.size, 0)
    },
    watch(environment, tell) {
      let here = watched.get(environment)
      if (here === undefined) {
        here = { tellers: new Set(), shown: new Map(), cancel: () => undefined }
        watched.set(environment, here)
        here.cancel = deps.clock.setTimer(feedEveryMs, () => void look(environment))
      }
      const mine = here
      mine.tellers.add(tell)
      void picture(environment).then(
        (events) => mine.tellers.has(tell) && tell([...events.values(), { event: 'ready', data: '{}' }]),
        () => undefined,
      )
      return () => {
        mine.tellers.delete(tell)
        if (mine.tellers.size > 0 || watched.get(environment) !== mine) return
        mine.cancel()
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
