import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '@pipit/shared/clock'
import type { KeyRecord, Storage } from '../storage/ports.ts'

const touchEveryMs = 60_000
const longestKey = 256

/** The valid key behind a secret, or undefined. Looks storage up each time: a revoked key is dead at once. */
export type Authenticate = (secret: string) => Promise<KeyRecord | undefined>

/** SHA-256 in hex: all that is stored of a key. */
export function hashKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Finds keys by their hash and compares in constant time; notes their use at most once a minute. */
export function createAuthenticate(storage: Pick<Storage, 'keys'>, clock: Pick<Clock, 'now'>): Authenticate {
  const touched = new Map<string, number>()

  async function touch(id: string): Promise<void> {
    const now = clock.now()
    const last = touched.get(id)
    if (last !== undefined && Math.abs(now - last) < touchEveryMs) return
    touched.set(id, now)
    // A database that cannot be written must not lock people out of looking.
    await storage.keys.touch(id, now).catch(() => undefined)
  }

  return async (secret) => {
    if (secret.length > longestKey) return undefined
    const hash = hashKey(secret)
    const record = await storage.keys.findByHash(hash)
    if (record === undefined || record.revokedAt !== undefined) return undefined
    const stored = Buffer.from(record.hash)
    const given = Buffer.from(hash)
    if (stored.length !== given.length || !timingSafeEqual(stored, given)) return undefined
    await touch(record.id)
    return record
  }
}
