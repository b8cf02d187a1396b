import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { StorageError, type StorageErrorCode } from '../storage-error.ts'
import journal from './migrations/meta/_journal.json' with { type: 'json' }

/** One connection, with drizzle over it for the plain tables and its own statements for the evidence. */
export interface Connection {
  readonly raw: Database.Database
  readonly orm: BetterSQLite3Database
}

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))
const busyTimeoutMs = 5000

/** Opens a database file, creates or upgrades its tables. Throws `StorageError`. */
export function openConnection(file: string): Connection {
  const raw = guarded(file, () => new Database(file))
  try {
    return guarded(file, () => {
      raw.pragma(`busy_timeout = ${busyTimeoutMs}`)
      raw.pragma('journal_mode = WAL')
      // An acknowledged report has to survive a power cut, not only a crash of this process.
      raw.pragma('synchronous = FULL')
      raw.pragma('foreign_keys = ON')
      const orm = drizzle(raw)
      refuseNewer(raw, file)
      migrate(orm, { migrationsFolder })
      return { raw, orm }
    })
  } catch (error) {
    raw.close()
    throw error
  }
}

/** A second connection that only reads: it never sees what is not committed. */
export function openReader(file: string): Connection {
  const raw = guarded(file, () => new Database(file, { readonly: true }))
  raw.pragma(`busy_timeout = ${busyTimeoutMs}`)
  return { raw, orm: drizzle(raw) }
}

/** A database that knows more migrations than this program belongs to a newer version. */
function refuseNewer(raw: Database.Database, file: string): void {
  const table = raw.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
  if (table === undefined) return
  const applied = raw.prepare('SELECT MAX(created_at) AS newest FROM __drizzle_migrations').get() as {
    newest: number | null
  }
  if ((applied.newest ?? 0) > newestMigration()) {
    throw new StorageError(
      'newer-version',
      `${file} was written by a newer version of Pipit; start that version, or restore a backup made before the upgrade`,
    )
  }
}

function newestMigration(): number {
  return Math.max(...journal.entries.map((entry) => entry.when))
}

const codes: readonly (readonly [RegExp, StorageErrorCode, string])[] = [
  [/^SQLITE_FULL/, 'disk-full', 'the disk is full: make room, nothing is lost and Pipit goes on by itself'],
  [/^SQLITE_IOERR/, 'disk-full', 'the disk cannot be written: check its space and health'],
  [
    /^SQLITE_NOTADB|^SQLITE_CORRUPT/,
    'not-a-database',
    'the file is no SQLite database, or is damaged: name another file or restore a backup',
  ],
  [/^SQLITE_READONLY/, 'read-only', 'the file cannot be written: check the permissions of the file and of its folder'],
  [/^SQLITE_CANTOPEN/, 'cannot-open', 'the file cannot be opened: check that its folder exists and may be written'],
  [/^SQLITE_BUSY|^SQLITE_LOCKED/, 'busy', 'another process holds the database: one server may use a SQLite file'],
]

/** Runs a database call and turns its faults into `StorageError`. */
export function guarded<T>(file: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw storageError(file, error)
  }
}

export function storageError(file: string, error: unknown): unknown {
  if (error instanceof StorageError) return error
  const cause = error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? error.cause : error
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  const known = codes.find(([pattern]) => pattern.test(code))
  if (known !== undefined) return new StorageError(known[1], `database ${file}: ${known[2]}`, { cause: error })
  if (cause instanceof TypeError && /directory does not exist/.test(cause.message)) {
    return new StorageError('cannot-open', `database ${file}: its folder does not exist; create it first`, {
      cause: error,
    })
  }
  return code.startsWith('SQLITE')
    ? new StorageError('failed', `database ${file}: ${(cause as Error).message}`, { cause: error })
    : error
}
