/** A control plane that plays a script over real sockets, for the tests of this package. */

import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import type { Ruleset } from '@pipit/shared/client'
import { parseSdkMessage, type Report } from '@pipit/shared/protocol'
import { WebSocketServer } from 'ws'

const running = { phase: 'running', hash: 1, variants: [{ name: 'stable' }, { name: 'canary' }] } as const

/** `checkout` gives everybody the canary, `search` who has the header or the cookie. */
export const ruleset: Ruleset = {
  version: 3,
  environment: 'production',
  unitSalt: 'u',
  rollouts: {
    checkout: { ...running, salt: '0123456789abcdef', epoch: 1, weight: 100, events: ['purchase'] },
    search: {
      ...running,
      salt: 'fedcba9876543210',
      epoch: 2,
      weight: 0,
      rules: [
        { name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' },
        { name: 'trial', cookie: 'trial', values: ['1'], serve: 'canary' },
      ],
    },
  },
  cohorts: {},
}

export const rulesetMessage = (changed: object = {}, heartbeatMs = 15_000): string =>
  JSON.stringify({ type: 'ruleset', ruleset: { ...ruleset, ...changed }, flushMs: 50, heartbeatMs })

export type { Report }

export interface ScriptedServer {
  readonly url: string
  readonly reports: readonly Report[]
  /** The Authorization header of each socket. */
  readonly keys: readonly (string | undefined)[]
  /** Resolves with the next report that comes. */
  nextReport(): Promise<Report>
  stop(): void
}

/** Greets every SDK with the ruleset, `changed` where asked, and acknowledges its reports. */
export async function startScriptedServer(changed?: object, heartbeatMs?: number): Promise<ScriptedServer> {
  const reports: Report[] = []
  const keys: (string | undefined)[] = []
  let waiting: ((report: Report) => void)[] = []
  const server = createServer((_request, response) => response.writeHead(503).end())
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, incoming) => {
    keys.push(incoming.headers.authorization)
    socket.on('message', (data) => {
      const parsed = parseSdkMessage(String(data))
      if (!parsed.ok) throw new Error(`the SDK sent what is no message: ${parsed.error.message}`)
      const { message } = parsed
      if (message.type === 'hello') socket.send(rulesetMessage(changed, heartbeatMs))
      if (message.type === 'ping') socket.send('{"type":"pong"}')
      if (message.type !== 'report') return
      reports.push(message)
      socket.send(JSON.stringify({ type: 'ack', seq: message.seq }))
      for (const tell of waiting) tell(message)
      waiting = []
    })
  })
  return {
    url: await listen(server),
    reports,
    keys,
    nextReport: () => new Promise((resolve) => waiting.push(resolve)),
    stop() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Listens on a free port of this machine. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** [ok, failed] of an arm, added up over reports. */
export function tally(reports: readonly Report[], rollout: string, variant: string): [number, number] {
  let n = 0
  let failed = 0
  for (const cell of reports.flatMap(({ outcomes = [] }) => outcomes)) {
    if (cell.rollout !== rollout || cell.variant !== variant) continue
    for (let row = 0; row < cell.buckets.length; row += cell.columns) {
      n += cell.buckets[row + 1] ?? 0
      failed += cell.buckets[row + 2] ?? 0
    }
  }
  return [n - failed, failed]
}
