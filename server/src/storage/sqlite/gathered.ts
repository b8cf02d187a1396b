import type { Connection } from './database.ts'

interface Rows<P, V> {
  /** Tells rows apart. Texts that somebody may choose freely come last, or with their length. */
  readonly keyOf: (place: P) => string
  /** The row as it is stored, or as nothing. */
  readonly open: (place: P) => V
  readonly write: (row: V) => void
}

/**
 * Rows of the running transaction, held in memory until its end: each is read and written once, however many reports touch it. Gives the
 * row of a place to be changed.
 */
export function createGathered<P, V>({ onFlush, onRollback }: Connection, rows: Rows<P, V>): (place: P) => V {
  const held = new Map<string, V>()
  onRollback(() => held.clear())
  onFlush(() => {
    for (const row of held.values()) rows.write(row)
    held.clear()
  })
  return (place) => {
    const key = rows.keyOf(place)
    let row = held.get(key)
    if (row === undefined) {
      row = rows.open(place)
      held.set(key, row)
    }
    return row
  }
}
