/**
 * The floor of ingest, a process of its own: the same bodies over bare Hono and bare `ws`, parsed, added to tables and sketches in memory, and
 * written with their sequences in one durable transaction for all that came in one turn. It validates nothing, knows no keys, rollouts or
 * epochs, and answers the same.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { decodeSketch, LatencySketch } from '@pipit/shared/sketch'
import { Hono } from 'hono'
import { WebSocketServer } from 'ws'

interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
}
interface RawDatabase {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): Statement
}
const Database = createRequire(new URL('../../server/package.json', import.meta.url))('better-sqlite3') as new (
  file: string,
) => RawDatabase

interface Body {
  readonly seq: number
  readonly outcomes: readonly {
    readonly rollout: string
    readonly variant: string
    readonly buckets: string
    readonly latency: string
  }[]
}
interface Waiting {
  readonly instance: string
  readonly body: Body
  readonly done: () => void
}

const directory = mkdtempSync(join(tmpdir(), 'pipit-floor-'))
process.once('disconnect', () => {
  rmSync(directory, { recursive: true, force: true })
  process.exit()
})
const database = new Database(join(directory, 'floor.db'))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec(
  'CREATE TABLE cells (id TEXT PRIMARY KEY, n INTEGER, failed INTEGER, rows BLOB, sketch TEXT) WITHOUT ROWID',
)
database.exec('CREATE TABLE sequences (instance TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID')
const writeCell = database.prepare('INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)')
const lastSeq = database.prepare('SELECT seq FROM sequences WHERE instance = ?')
const mark = database.prepare('INSERT OR REPLACE INTO sequences VALUES (?, ?)')

interface Cell {
  readonly rows: Float64Array
  readonly sketch: LatencySketch
  n: number
  failed: number
}
const cells = new Map<string, Cell>()
let queue: Waiting[] = []

function take(instance: string, text: string): Promise<void> {
  return new Promise((done) => {
    queue.push({ instance, body: JSON.parse(text) as Body, done })
    if (queue.length === 1) setImmediate(commit)
  })
}

function commit(): void {
  const batch = queue
  queue = []
  const touched = new Set<string>()
  database.exec('BEGIN IMMEDIATE')
  for (const { instance, body } of batch) {
    const known = lastSeq.get(instance) as { seq: number } | undefined
    if (known !== undefined && known.seq >= body.seq) continue
    for (const cell of body.outcomes) touched.add(fold(cell))
    mark.run(instance, body.seq)
  }
  for (const id of touched) {
    const cell = cells.get(id) as Cell
    writeCell.run(id, cell.n, cell.failed, Buffer.from(cell.rows.buffer), cell.sketch.encode())
  }
  database.exec('COMMIT')
  for (const { done } of batch) done()
}

function fold(told: Body['outcomes'][number]): string {
  const id = `${told.rollout}/${told.variant}`
  const cell = cells.get(id) ?? { rows: new Float64Array(256 * 3), sketch: new LatencySketch(), n: 0, failed: 0 }
  cells.set(id, cell)
  addRows(cell, told.buckets)
  const sketch = decodeSketch(told.latency)
  if (sketch !== undefined) cell.sketch.merge(sketch)
  return id
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const codes = new Uint8Array(128)
for (let i = 0; i < 64; i++) codes[alphabet.charCodeAt(i)] = i
/** Which bucket each row of the report at hand is of. */
const rowsOf = new Uint16Array(256)

/** The rows of a cell as the protocol writes them, straight into the table; believes whatever it reads. */
function addRows(cell: Cell, text: string): void {
  let at = 0
  const number = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 32) {
      const code = codes[text.charCodeAt(at++)] as number
      if (code < 32) return value + code * scale
      value += (code - 32) * scale
    }
  }
  const isOver = (): boolean => at >= text.length || text.charCodeAt(at) === 46
  const isDense = text.charCodeAt(0) === 42
  if (isDense) at++
  let count = 0
  for (let bucket = isDense ? 0 : -1; !isOver(); ) {
    if (!isDense) bucket += number() + 1
    const n = number()
    if (isDense && n === 0) bucket += number() + 1
    else {
      rowsOf[count++] = bucket
      cell.rows[bucket * 3] = (cell.rows[bucket * 3] as number) + n
      cell.rows[bucket * 3 + 2] = (cell.rows[bucket * 3 + 2] as number) + n
      cell.n += n
      if (isDense) bucket++
    }
  }
  for (const [column, sign] of [
    [1, 1],
    [2, -1],
  ] as const) {
    at++
    for (let row = -1; !isOver(); ) {
      row += number() + 1
      const place = (rowsOf[row] as number) * 3 + column
      const value = number()
      cell.rows[place] = (cell.rows[place] as number) + sign * value
      if (column === 1) cell.failed += value
    }
  }
}

const app = new Hono().post('/reports', async (c) => {
  const text = await c.req.text()
  await take(c.req.header('x-pipit-instance') ?? '', text)
  return c.json({ type: 'ack' })
})
const server = createServer(getRequestListener(app.fetch))
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket) => {
  let instance = ''
  socket.on('message', async (data) => {
    const text = data.toString()
    if (instance === '') {
      instance = (JSON.parse(text) as { instance: string }).instance
      socket.send('{"type":"ruleset"}')
    } else {
      await take(instance, text)
      socket.send('{"type":"ack"}')
    }
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined)
})
