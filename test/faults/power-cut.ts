import { randomFillSync } from 'node:crypto'
import { copyFileSync, openSync, readFileSync, readSync, statSync, truncateSync, writeSync } from 'node:fs'
import type { Random } from '@pipit/shared/clock'

const walHeaderBytes = 32
const frameHeaderBytes = 24

/** What SQLite keeps in its `-shm` file about the log: the state that both are in at one instant. */
interface WalIndex {
  readonly pageBytes: number
  /** Frames of whole transactions: they were synced to the disk before this number was written. */
  readonly durableFrames: number
  /** Frames that are in the database file too, and were synced there. */
  readonly checkpointedFrames: number
  readonly salts: Buffer
}

function readWalIndex(file: string): WalIndex {
  const index = readFileSync(file)
  const pageBytes = index.readUInt16LE(14)
  return {
    pageBytes: pageBytes === 1 ? 65_536 : pageBytes,
    durableFrames: index.readUInt32LE(16),
    checkpointedFrames: index.readUInt32LE(96),
    salts: index.subarray(32, 40),
  }
}

export interface PowerCut {
  /** Bytes at the end of the log that were not yet synced, or of an older log, and were lost or damaged. */
  readonly lostBytes: number
  /** Pages of the database file that a checkpoint may have been writing, and which are garbage now. */
  readonly tornPages: number
}

/**
 * Copies the database of a process that stands still (SIGSTOP) as the disk may look after the power failed at this instant: what was synced is
 * there, and of the rest only what luck has. Of the log everything behind the last whole transaction may be gone or damaged; of the
 * database file each page that is in the log and not yet checkpointed, as a checkpoint may have begun to write it.
 */
export function copyAsAfterPowerCut(from: string, to: string, random: Random): PowerCut {
  copyFileSync(from, to)
  copyFileSync(`${from}-wal`, `${to}-wal`)
  const index = readWalIndex(`${from}-shm`)
  const wal = readFileSync(`${to}-wal`)
  // A log that was started anew and not yet written to: all of what is there was synced long ago.
  if (wal.length < walHeaderBytes || !saltsOf(wal).equals(index.salts)) return { lostBytes: 0, tornPages: 0 }
  return { lostBytes: loseTail(to, wal, index, random), tornPages: tearPages(to, wal, index, random) }
}

/** Salts stand as big-endian numbers in the log, and as they are read in the index. */
const saltsOf = (wal: Buffer): Buffer => Buffer.from(wal.subarray(16, 24))

function loseTail(to: string, wal: Buffer, { pageBytes, durableFrames }: WalIndex, random: Random): number {
  const durable = walHeaderBytes + durableFrames * (frameHeaderBytes + pageBytes)
  const lost = wal.length - durable
  if (lost <= 0) return 0
  const at = durable + Math.floor(random() * lost)
  if (random() < 0.5) truncateSync(`${to}-wal`, at)
  else {
    const descriptor = openSync(`${to}-wal`, 'r+')
    writeSync(descriptor, randomFillSync(Buffer.alloc(Math.min(wal.length - at, 8192))), 0, undefined, at)
  }
  return wal.length - at
}

function tearPages(to: string, wal: Buffer, index: WalIndex, random: Random): number {
  const { pageBytes, durableFrames, checkpointedFrames } = index
  const pages = new Set<number>()
  for (let frame = checkpointedFrames; frame < durableFrames; frame++)
    pages.add(wal.readUInt32BE(walHeaderBytes + frame * (frameHeaderBytes + pageBytes)))
  const torn = [...pages].filter(() => random() < 0.3)
  const database = openSync(to, 'r+')
  const size = statSync(to).size
  for (const page of torn) {
    const at = (page - 1) * pageBytes
    if (at >= size) continue
    const bytes = Buffer.alloc(pageBytes)
    readSync(database, bytes, 0, pageBytes, at)
    // Sectors are written whole, pages are not.
    randomFillSync(bytes, 512 * Math.floor(random() * (pageBytes / 512)))
    writeSync(database, bytes, 0, pageBytes, at)
  }
  return torn.length
}
