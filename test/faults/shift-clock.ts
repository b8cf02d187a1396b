/** Loaded before a server (`--import`): its wall clock is off by what the file of `SHIFT_FILE` says, read anew at each SIGUSR2. */
import { readFileSync } from 'node:fs'

const real = Date.now
let offsetMs = 0

function read(): void {
  offsetMs = Number(readFileSync(process.env.SHIFT_FILE ?? '', 'utf8'))
}

Date.now = () => real() + offsetMs
read()
process.on('SIGUSR2', read)
