import type { PendingEvent, Stores } from '../ports.ts'
import type { Connection } from './database.ts'
import { present } from './plain-stores.ts'

/** Events that wait for their exposure at most, per environment. */
const pendingLimit = 100_000

type EventMethods = 'claimEvent' | 'addPending' | 'takePending' | 'hasPending' | 'prunePending' | 'pruneEventKeys'

/** Keys of events that were taken, and events that wait for their exposure. */
export function eventStore({ raw, onRollback }: Connection): Pick<Stores['evidence'], EventMethods> {
  const claim = raw.prepare('INSERT INTO event_ids (environment, id, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const count = raw.prepare('SELECT COUNT(*) AS n FROM pending_events WHERE environment = ?')
  const any = raw.prepare('SELECT 1 FROM pending_events WHERE environment = ? LIMIT 1')
  const add = raw.prepare(
    'INSERT INTO pending_events (environment, unit, event, at, expires_at, value) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const take = raw.prepare(
    'DELETE FROM pending_events WHERE environment = ? AND unit = ? RETURNING environment, unit, event, at, expires_at AS expiresAt, value',
  )
  const prunePending = raw.prepare('DELETE FROM pending_events WHERE expires_at <= ?')
  const pruneKeys = raw.prepare(
    `DELETE FROM event_ids WHERE (environment, id) IN
       (SELECT environment, id FROM event_ids WHERE at < ? ORDER BY at LIMIT ?)`,
  )

  // Counting the rows for each event that comes would cost as much as all that wait. Only the writing connection uses this.
  const waiting = new Map<string, number>()
  onRollback(() => waiting.clear())
  const waitingIn = (environment: string): number =>
    waiting.get(environment) ?? (count.get(environment) as { n: number }).n

  return {
    claimEvent: async (environment, key, at) => claim.run(environment, key, at).changes > 0,
    async addPending({ environment, unit, event, at, expiresAt, value }) {
      const before = waitingIn(environment)
      waiting.set(environment, before)
      if (before >= pendingLimit) return false
      add.run(environment, unit, event, at, expiresAt, value ?? null)
      waiting.set(environment, before + 1)
      return true
    },
    async takePending(environment, unit) {
      const taken = (take.all(environment, unit) as object[]).map((row) => present(row) as PendingEvent)
      const before = waiting.get(environment)
      if (before !== undefined) waiting.set(environment, before - taken.length)
      return taken
    },
    hasPending: async (environment) => any.get(environment) !== undefined,
    async prunePending(now) {
      prunePending.run(now)
      waiting.clear()
    },
    pruneEventKeys: async (before, limit) => pruneKeys.run(before, limit).changes,
  }
}
