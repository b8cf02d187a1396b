/**
 * The load generator: sessions of several thousand users against the shop, by real HTTP requests, at a steady rate
 * whatever the shop's answers. Tells its parent once a second what it saw.
 */
import http from 'node:http'
import { seededRandom } from '@pipit/shared/testing'
import type { LoadReport, PageCounts } from './messages.ts'

const [ports = '', seed = '1', sessionsPerSecond = '250', people = '8000'] = process.argv.slice(2)
const random = seededRandom(Number(seed) + 1000)
const agent = new http.Agent({ keepAlive: true, maxSockets: 512 })
const shops = ports.split(',').map(Number)

/** Share of visitors of the checkout that buys, by the variant they saw: the canary sells 30 % less. */
const buying: Readonly<Record<string, number>> = { stable: 0.2, canary: 0.14 }

interface Visitor {
  readonly headers: Record<string, string>
}

/** 40 of the staff, 300 beta users, 20 testers with `X-Canary`, and everybody else. */
function visitors(count: number): readonly Visitor[] {
  const all: Visitor[] = []
  for (let i = 0; i < 40; i++)
    all.push({ headers: { 'x-user': `staff-${i}`, 'x-email': `s${i}@shop.example`, 'x-plan': 'free' } })
  for (let i = 0; i < 300; i++)
    all.push({ headers: { 'x-user': `beta-${i}`, 'x-email': `b${i}@mail.example`, 'x-plan': 'beta' } })
  for (let i = 0; i < 20; i++)
    all.push({ headers: { 'x-user': `qa-${i}`, 'x-email': `q${i}@mail.example`, 'x-canary': 'true' } })
  for (let i = all.length; i < count; i++)
    all.push({ headers: { 'x-user': `user-${i}`, 'x-email': `u${i}@mail.example`, 'x-plan': 'free' } })
  return all
}

interface Answer {
  readonly status: number
  readonly variant: string
  readonly reason: string
  readonly fault: string
}

function ask(method: string, path: string, visitor: Visitor, body?: string): Promise<Answer> {
  const port = shops[Math.floor(random() * shops.length)]
  return new Promise((resolve) => {
    const failed = (): void => resolve({ status: 0, variant: '', reason: '', fault: 'network' })
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        agent,
        timeout: 10_000,
        headers: { ...visitor.headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      },
      (response) => {
        response.resume()
        response.on('error', failed)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            variant: String(response.headers['x-variant'] ?? ''),
            reason: String(response.headers['x-reason'] ?? ''),
            fault: String(response.headers['x-fault'] ?? ''),
          }),
        )
      },
    )
    request.on('error', failed)
    request.on('timeout', () => request.destroy())
    request.end(body)
  })
}

const counts: Record<string, PageCounts> = {}
let failedOtherwise = 0
let requests = 0
let slowestMs = 0
/** Users whose first decision by the split is counted, by rollout. */
const seen = new Set<string>()

function count(rollout: string, answer: Answer, user: string): void {
  requests++
  counts[rollout] ??= {
    canary: 0,
    stable: 0,
    canaryFailed: 0,
    splitUsers: 0,
    splitCanaryUsers: 0,
    firstCanaryFailureAt: undefined,
    firstCanaryAt: undefined,
  }
  const row = counts[rollout]
  const broken = answer.status >= 500 || answer.status === 0
  if (broken && answer.fault !== 'shop') failedOtherwise++
  if (answer.reason === 'split' && !seen.has(`${rollout} ${user}`)) {
    seen.add(`${rollout} ${user}`)
    row.splitUsers++
    if (answer.variant === 'canary') row.splitCanaryUsers++
  }
  if (answer.variant !== 'canary') row.stable++
  else {
    row.canary++
    row.firstCanaryAt ??= Date.now()
    if (broken) {
      row.canaryFailed++
      row.firstCanaryFailureAt ??= Date.now()
    }
  }
}

const routes = [
  ['/search', 'search-v3'],
  ['/product', 'product-page-v2'],
  ['/cart', 'cart-v2'],
  ['/checkout', 'checkout-v2'],
] as const

let orders = 0
async function session(visitor: Visitor): Promise<void> {
  let last: Answer | undefined
  for (const [path, rollout] of routes) {
    const began = performance.now()
    last = await ask('GET', path, visitor)
    slowestMs = Math.max(slowestMs, performance.now() - began)
    count(rollout, last, visitor.headers['x-user'] ?? '')
  }
  if (last === undefined || last.status !== 200) return
  if (random() >= (buying[last.variant] ?? 0)) return
  const bought = await ask(
    'POST',
    '/purchase',
    visitor,
    JSON.stringify({ order: `order-${seed}-${orders++}`, value: 20 + Math.floor(random() * 80) }),
  )
  requests++
  if (bought.status !== 200) failedOtherwise++
}

const crowd = visitors(Number(people))
const perSlice = Number(sessionsPerSecond) / 20
let owed = 0
const pacer = setInterval(() => {
  for (owed += perSlice; owed >= 1; owed--) {
    // Staff and testers are few but busy: every tenth session is one of the first 360.
    const range = random() < 0.1 ? 360 : crowd.length
    const visitor = crowd[Math.floor(random() * range)]
    if (visitor !== undefined) void session(visitor)
  }
}, 50)

const report = (): LoadReport => ({ type: 'load', requests, failedOtherwise, slowestMs, pages: counts })
const teller = setInterval(() => process.send?.(report()), 500)
process.on('message', (message: { type?: string }) => {
  if (message.type !== 'stop') return
  clearInterval(pacer)
  clearInterval(teller)
  setTimeout(() => process.send?.({ ...report(), type: 'done' }, () => process.exit(0)), 500)
})
