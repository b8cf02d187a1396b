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
  /** Adds a listener that is called after each rollback: whoever remembers something of the tables forgets it there. */
  readonly onRollback: (forget: () => void) => void
  readonly rollback: () => void
  /** Adds a listener that writes what a transaction has added up in memory so far. */
  readonly onFlush: (write: () => void) => void
  /** Before a commit, and before anything is read or deleted that may still be in memory. */
  readonly flush: () => void
}

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))
const busyTimeoutMs = 5000
/** Pages that the writer keeps in memory: exposures and events touch their tables at random, unit by unit. */
const cacheKibibytes = 65_536
/** 16 MiB of log before its pages go to the file: units touch pages at random, and each goes once for all that was added to it. */
const checkpointPages = 4096

/** Opens a database file, creates or upgrades its tables. Throws `StorageError`. */
export function openConnection(file: string): Connection {
  const raw = guarded(file, () => new Database(file))
  try {
    return guarded(file, () => {
      raw.pragma(`busy_timeout = ${busyTimeoutMs}`)
      // Before anything is written: a file that is not ours stays as it is.
      refuseForeign(raw, file)
      raw.pragma('journal_mode = WAL')
      // An acknowledged report has to survive a power cut, not only a crash of this process.
      raw.pragma('synchronous = FULL')
      raw.pragma('foreign_keys = ON')
      raw.pragma(`cache_size = -${cacheKibibytes}`)
      raw.pragma(`wal_autocheckpoint = ${checkpointPages}`)
      const connection = connectionOn(raw)
      migrate(connection.orm, { migrationsFolder })
      return connection
    })
  } catch (error) {
    raw.close()
    throw error
  }
}

/** A second connection that only reads: it never sees what is not committed. */
export function openReader(file: string): Connection {
  return guarded(file, () => {
    const raw = new Database(file, { readonly: true })
    raw.pragma(`busy_timeout = ${busyTimeoutMs}`)
    return connectionOn(raw)
  })
}

function connectionOn(raw: Database.Database): Connection {
  const listeners: (() => void)[] = []
  const writers: (() => void)[] = []
  return {
    raw,
    orm: drizzle(raw),
    onFlush(write) {
      writers.push(write)
    },
    flush() {
      for (const write of writers) write()
    },
    onRollback(forget) {
      listeners.push(forget)
    },
    rollback() {
      for (const forget of listeners) forget()
      // A full disk may have rolled back already.
      if (raw.inTransaction) raw.exec('ROLLBACK')
    },
  }
}

/** Refuses the tables of another program, and those of a version that knows more migrations than this one. */
function refuseForeign(raw: Database.Database, file: string): void {
  const tables = raw.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all()
  if (tables.length === 0) return
  if (!tables.some((table) => (table as { name: string }).name === '__drizzle_migrations')) {
    throw new StorageError(
      'not-a-database',
      `database ${file}: the file belongs to another program: name a file of Pipit's own, or one that does not exist yet`,
    )
  }
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
