import { type Stores, sequenceWindow } from '../ports.ts'
import type { Connection } from './database.ts'

interface Row {
  readonly seq: number
  readonly mask: number
}

/** As many below the highest as a positive 32-bit number has bits. */
const maskBits = sequenceWindow - 1

/** Sequences of reports by instance: the highest, and a window of those below it, as IPsec keeps them against repetition. */
export function reportStore({ raw }: Connection): Stores['reports'] {
  const read = raw.prepare('SELECT seq, mask FROM reports WHERE instance = ?')
  const write = raw.prepare(
    `INSERT INTO reports (instance, seq, mask, expires_at) VALUES (@instance, @seq, @mask, @expiresAt)
     ON CONFLICT DO UPDATE SET seq = @seq, mask = @mask, expires_at = @expiresAt`,
  )
  const prune = raw.prepare(
    'DELETE FROM reports WHERE instance IN (SELECT instance FROM reports WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)',
  )
  return {
    async take(instance, seq, expiresAt) {
      const known = read.get(instance) as Row | undefined
      const next = known === undefined ? { seq, mask: 0 } : taken(known, seq)
      if (typeof next === 'string') return next
      write.run({ instance, ...next, expiresAt })
      return 'new'
    },
    prune: async (now, limit) => prune.run(now, limit).changes,
  }
}

function taken({ seq: highest, mask }: Row, seq: number): Row | 'duplicate' | 'too-old' {
  if (seq === highest) return 'duplicate'
  if (seq > highest) {
    const distance = seq - highest
    if (distance > maskBits) return { seq, mask: 0 }
    return { seq, mask: ((mask << distance) | (1 << (distance - 1))) & 0x7fffffff }
  }
  const place = highest - seq - 1
  if (place >= maskBits) return 'too-old'
  const bit = 1 << place
  return (mask & bit) === 0 ? { seq: highest, mask: mask | bit } : 'duplicate'
}
