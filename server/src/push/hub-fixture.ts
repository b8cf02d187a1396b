/** A hub on a real server with clients on real sockets, for the tests of this folder. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '@pipit/shared/clock'
import { encodeMessage, parsePagePost, type Report } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import { WebSocket } from 'ws'
import type { Ingest, ReportingInstance } from '../ingest/index.ts'
import { systemClock } from '../platform/index.ts'
import { attachHub } from './attach.ts'
import { createHub, type HubParts, type PushHub, type Who } from './hub.ts'
import type { HubLimits } from './limits.ts'
import { pageResponse } from './pages/http-page.ts'

export const rollout = {
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  weight: 5,
  variants: [{ name: 'stable' }, { name: 'canary' }],
} as const

export const rulesetOf = (version: number, weight: number): Ruleset => ({
  version,
  environment: 'production',
  unitSalt: 'u',
  rollouts: { r: { ...rollout, weight } },
  cohorts: {},
})

/** More than the kernel takes for a peer that does not read, by more than a slow reader may be owed. */
const largeBytes = 24_000_000

export const largeRuleset = (version: number): Ruleset => ({
  ...rulesetOf(version, version),
  cohorts: { large: { when: { id: `${version}`.padEnd(largeBytes, 'x') } } },
})

export const hello = (instance: string, version?: number): string =>
  encodeMessage({
    type: 'hello',
    protocol: 1,
    sdk: { name: 't', version: '1' },
    instance,
    ...(version === undefined ? {} : { version }),
  })

export type Message = { readonly [field: string]: unknown }

export interface HubOptions {
  readonly pageSettings?: HubParts['pageSettings']
  readonly ruleset?: Ruleset
  readonly limits?: Partial<HubLimits>
  readonly ingest?: Partial<Ingest>
  readonly authenticate?: HubParts['authenticate']
  readonly projectRuleset?: HubParts['projectRuleset']
  readonly clock?: Clock
  readonly random?: HubParts['random']
}

/** The hub alone, on a ruleset in memory that `publish` replaces. */
export function hubOf(options: HubOptions = {}) {
  let ruleset = options.ruleset ?? rulesetOf(1, 5)
  const reports: { readonly instance: ReportingInstance; readonly report: Report }[] = []
  const taken: number[] = []
  const warnings: string[] = []
  const hub = createHub({
    projectRuleset: options.projectRuleset ?? (async () => ruleset),
    ingest: {
      submit: async (_environment, instance, report) => {
        taken.push(report.seq)
        reports.push({ instance, report })
        return { seq: report.seq, status: 'stored' }
      },
      observe: () => Promise.resolve(undefined),
      counters: () => ({}),
      load: () => ({ reports: 0, weight: 0, oldestMs: 0, commitMs: 0 }),
      stop: async () => undefined,
      ...options.ingest,
    },
    authenticate:
      options.authenticate ??
      (async (key) => {
        if (key === 'web_shop')
          return { keyId: 'k3', kind: 'web', environment: 'production', origins: ['https://shop.example'] }
        if (key === 'srv_good') return { keyId: 'k1', kind: 'srv', environment: 'production' }
        return key === 'web_good' ? { keyId: 'k2', kind: 'web', environment: 'production' } : undefined
      }),
    clock: options.clock ?? systemClock,
    log: { warn: (message) => warnings.push(message) },
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.pageSettings === undefined ? {} : { pageSettings: options.pageSettings }),
  })
  return {
    hub,
    taken,
    reports,
    warnings,
    async publish(next: Ruleset): Promise<void> {
      ruleset = next
      await hub.publish('production')
    },
  }
}

/** A socket whose messages are awaited one by one. */
export function clientOf(socket: WebSocket) {
  const queue: string[] = []
  const waiting: ((text: string) => void)[] = []
  socket.on('message', (data) => {
    const waiter = waiting.shift()
    if (waiter === undefined) queue.push(String(data))
    else waiter(String(data))
  })
  socket.on('error', () => undefined)
  return {
    socket,
    opened: new Promise<void>((resolve) => socket.once('open', () => resolve())),
    refused: new Promise<number>((resolve) =>
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0)),
    ),
    closed: new Promise<{ code: number; reason: string }>((resolve) =>
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
    ),
    async next(): Promise<Message> {
      const text = queue.shift() ?? (await new Promise<string>((resolve) => waiting.push(resolve)))
      return JSON.parse(text) as Message
    },
    send: (message: object | string) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
  }
}

export interface ConnectOptions {
  readonly key?: string
  readonly protocols?: readonly string[]
  readonly path?: string
  readonly origin?: string
}

/** The hub behind a real server. */
export async function serveHub(options: HubOptions = {}) {
  const served = hubOf(options)
  const server = createServer()
  attachHub(server, served.hub)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sockets: WebSocket[] = []

  function connect({ key = 'srv_good', protocols, path = '/sdk/v1/connect', origin }: ConnectOptions = {}) {
    const headers = {
      ...(protocols === undefined ? { authorization: `Bearer ${key}` } : {}),
      ...(origin === undefined ? {} : { origin }),
    }
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [...(protocols ?? [])], { headers })
    sockets.push(socket)
    return clientOf(socket)
  }

  return {
    ...served,
    port,
    connect,
    /** A client that has greeted, and the answer. */
    async greeted(version?: number) {
      const client = connect()
      await client.opened
      const instance = `instance-${sockets.length}`
      client.send(hello(instance, version))
      return { ...client, instance, first: await client.next() }
    },
    async stop(): Promise<void> {
      for (const socket of sockets) socket.terminate()
      await served.hub.close(0)
      await closed(server)
    },
  }
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

/** A socket in memory: what was written to it, and how much of it is said to wait. */
export function memorySocket() {
  const frames: Buffer[] = []
  const closes: { code: number; reason: string }[] = []
  const socket = {
    bufferedBytes: 0,
    isTerminated: false,
    send: (frame: Buffer) => void frames.push(frame),
    close: (code: number, reason: string) => void closes.push({ code, reason }),
    terminate() {
      socket.isTerminated = true
    },
  }
  return { socket, frames, closes, messages: () => frames.map(payloadOf) }
}

/** The message in a frame; the header has 2, 4 or 10 bytes. */
function payloadOf(frame: Buffer): Message {
  const length = frame[1] ?? 0
  return JSON.parse(frame.toString('utf8', length < 126 ? 2 : length === 126 ? 4 : 10)) as Message
}

/** A seat in the hub on a socket in memory, greeted and answered. */
export async function seated(hub: PushHub, instance: string, version?: number) {
  const memory = memorySocket()
  const seat = hub.join(memory.socket, { environment: 'production', keyId: 'k1', kind: 'srv' })
  if (seat === undefined) throw new Error('no seat was free')
  seat.session.receive(hello(instance, version))
  await hub.edition('production')
  for (let i = 0; i < 10; i++) await Promise.resolve()
  return { ...memory, ...seat }
}

/** A page in the hub on a socket in memory; `says` greets and waits for the answer. */
export async function pageOf(hub: PushHub, instance: string, fields: object = {}, who: Partial<Who> = {}) {
  const memory = memorySocket()
  const seat = hub.join(memory.socket, { environment: 'production', keyId: 'k2', kind: 'web', ...who })
  if (seat === undefined) throw new Error('no seat was free')
  async function says(message: object): Promise<readonly Message[]> {
    const before = memory.frames.length
    seat?.session.receive(JSON.stringify(message))
    await hub.edition('production')
    await settled()
    return memory.messages().slice(before)
  }
  const greets = (more: object): Promise<readonly Message[]> => says({ ...JSON.parse(hello(instance)), ...more })
  const [first] = await greets(fields)
  return { ...memory, ...seat, says, greets, first }
}

/** When pages of these tests post, by their clock. */
export const pageNow = 5000

interface Happenings {
  /** With `ms`: latencies of all that ended so. */
  readonly outcomes?: readonly unknown[]
  readonly exposures?: readonly unknown[]
  /** With `ageMs` in place of `at`. */
  readonly events?: readonly unknown[]
}

/** The items that a page makes of it. */
export function itemsOf({ outcomes = [], exposures = [], events = [] }: Happenings) {
  const items: { [item: string]: unknown[] } = {}
  const add = (item: unknown, entries: readonly unknown[]): void => {
    const text = JSON.stringify(item)
    items[text] = [...(items[text] ?? []), ...entries]
  }
  for (const { ms, ...item } of outcomes as readonly { readonly ms: readonly unknown[] }[]) add(item, ms)
  for (const exposure of exposures) add(exposure, [0])
  for (const { ageMs, ...event } of events as readonly { readonly ageMs: number }[])
    add({ ...event, at: pageNow - ageMs }, [0])
  return items
}

/** What the hub answers to a page's post. */
export async function posted(hub: PushHub, post: object, who: Partial<Who> = {}): Promise<readonly Message[]> {
  const envelope = parsePagePost(JSON.stringify(post))
  const read = envelope.ok ? envelope.message.read() : envelope
  if (!read.ok) return [read.error as unknown as Message]
  const page: Who = { environment: 'production', keyId: 'k2', kind: 'web', ...who }
  return JSON.parse(await pageResponse(hub, page, read.message)) as readonly Message[]
}

/** Whatever waits for nothing but promises is done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}
