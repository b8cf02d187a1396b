/** `node one.ts <benchmark>`: runs it and hands its rows to `main.ts` as JSON on file descriptor 3, or prints them where there is none. */
import { fstatSync, writeSync } from 'node:fs'
import { type Row, tableOf } from './row.ts'

const { rows } = (await import(`./${process.argv[2]}.ts`)) as { readonly rows?: () => Promise<readonly Row[]> }
const measured = (await rows?.()) ?? []
if (isOpen(3)) writeSync(3, JSON.stringify(measured))
else console.log(tableOf(measured))
process.exit()

function isOpen(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFIFO() || fstatSync(descriptor).isSocket()
  } catch {
    return false
  }
}
