import { spawnSync } from 'node:child_process'
import { closeSync, copyFileSync, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A shell's word for any text. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Whether this machine lets its users have mounts of their own. */
export const canMount =
  spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt'], { stdio: 'ignore' }).status === 0

/** Runs a command where its folder is a disk of some megabytes, which nobody else sees. */
export const onSmallDisk =
  (megabytes: number) =>
  (command: readonly string[], directory: string): readonly [string, ...string[]] => {
    const mount = `mount -t tmpfs -o size=${megabytes}m tmpfs ${quoted(directory)}`
    return ['unshare', '-rm', 'sh', '-c', `${mount} && exec ${command.map(quoted).join(' ')}`]
  }

/** Runs a command where its folder is there, and cannot be written. */
export function onReadOnlyDisk(command: readonly string[], directory: string): readonly [string, ...string[]] {
  const folder = quoted(directory)
  const mount = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`
  return ['unshare', '-rm', 'sh', '-c', `${mount} && exec ${command.map(quoted).join(' ')}`]
}

/** The same folder as the process sees it. */
export const asSeenBy = (pid: number, path: string): string => `/proc/${pid}/root${path}`

/** Writes until nothing more fits. */
export function fill(directory: string): void {
  const descriptor = openSync(join(directory, 'ballast'), 'a')
  try {
    for (const size of [65_536, 4096, 512]) writeUntilFull(descriptor, Buffer.alloc(size))
  } finally {
    closeSync(descriptor)
  }
}

function writeUntilFull(descriptor: number, chunk: Buffer): void {
  for (;;) {
    try {
      if (writeSync(descriptor, chunk) < chunk.length) return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return
      throw error
    }
  }
}

export const makeRoom = (directory: string): void => rmSync(join(directory, 'ballast'), { force: true })

/** The files of a database, of a process that stands still. */
export function copyDatabase(from: string, to: string): void {
  for (const ending of ['', '-wal'])
    if (existsSync(`${from}${ending}`)) copyFileSync(`${from}${ending}`, `${to}${ending}`)
}
