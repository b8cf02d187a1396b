#!/usr/bin/env node
/**
 * Pipit's one process and the only file that knows all its parts: configuration, storage, ingest, push, engine, HTTP, and how they come up
 * and go down together. Other commands than `serve` talk to such a process over HTTP.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { nanoid } from 'nanoid'
import { CommandError, configOf, exitCodes, runCli } from './cli/index.ts'
import { type Flags, readConfig } from './config.ts'
import {
  createEngine,
  createMemberLists,
  createQueries,
  createRetention,
  createSteadyClock,
  type Notifier,
  readRuleset,
} from './engine/index.ts'
import { firstStart, firstStartText } from './first-start.ts'
import { createApp, createAuthenticate, hashKey } from './http/index.ts'
import { createIngest } from './ingest/index.ts'
import { defaultHttpLimits, type HttpLimits } from './limits.ts'
import { createLog, createUserAgentReader, type Log, queryPrometheus, systemClock } from './platform/index.ts'
import { attachHub, createHub } from './push/index.ts'
import type { Storage } from './storage/ports.ts'
import { openSqlite } from './storage/sqlite/index.ts'

/** Connections that the machine holds until they are accepted: of Node's 511 a fleet that returns would lose those beyond, each for a second. */
const backlog = 4096
/** How long requests under way may take to finish then. */
const drainMs = 5000

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
const exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  serve,
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  version,
})
process.exit(exitCode)

async function serve(flags: Flags): Promise<void> {
  const config = configOf(readConfig(process.env, flags))
  const told = untilTold()
  // One for all: engine and ingest meet in its time buckets, and it never goes back.
  const clock = createSteadyClock(systemClock)
  const log = createLog(config.logLevel, (line) => process.stderr.write(line), systemClock.now)
  const storage = await openStorage(config.databaseFile)
  const draining = new AbortController()

  const authenticate = createAuthenticate(storage, clock)
  const { limits } = config
  const ingest = createIngest({ storage, clock, limits })
  const userAgent = createUserAgentReader()
  const memberLists = createMemberLists({ storage })
  const hub = createHub({
    projectRuleset: (environment) => readRuleset(storage, memberLists, environment),
    ingest,
    authenticate: async (secret) => {
      const key = await authenticate(secret)
      if (key === undefined || key.kind === 'adm' || key.environment === undefined) return undefined
      const { id: keyId, kind, environment, origins } = key
      return { keyId, kind, environment, origins }
    },
    ...{ clock, log, limits, userAgent },
    pageSettings: async (name) => (await storage.environments.get(name)) ?? { userHash: 'required' },
  })
  const notifier = logNotifier(log)
  const engine = createEngine({ storage, memberLists, publisher: hub, notifier, clock, newId: nanoid, log })
  const queries = createQueries({ storage, clock, log, ask: queryPrometheus, observe: ingest.observe })
  const retention = createRetention({ storage, clock, log, limits })
  const app = createApp({
    ...{ storage, engine, hub, ingest, queries, retention, authenticate, clock, log, userAgent },
    bootId: randomUUID(),
    draining: draining.signal,
  })

  const begun = await firstStart(storage, engine, config.presets, hashKey)
  for (const name of begun.unknownPresets) {
    log.warn(
      `${name} counts at the first start only, and this database had its first start without it; it knows no such key`,
    )
  }
  const server = createHttpServer(getRequestListener(app.fetch), { ...defaultHttpLimits, ...limits })
  attachHub(server, hub)
  const url = await listen(server, config.host, config.port)
  engine.start()
  queries.start()
  retention.start()
  process.stdout.write(`Pipit ${version} listens at ${url}\n`)
  if (begun.made.length > 0) process.stdout.write(`${firstStartText(url, begun.made)}\n`)

  const signal = await told
  log.info('going down', { signal })
  draining.abort()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  await hub.close()
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, drainMs).unref())])
  server.closeAllConnections()
  await queries.stop()
  await retention.stop()
  await ingest.stop()
  await engine.stop()
  await storage.close()
  log.info('down')
}

async function openStorage(file: string): Promise<Storage> {
  try {
    return openSqlite({ file })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new CommandError(`the database cannot be opened: ${message}`, exitCodes.failed)
  }
}

function logNotifier(log: Log): Notifier {
  return {
    notify({ environment, rollout, level, sentence }) {
      if (level === 'info') log.info(sentence, { environment, rollout })
      else log.warn(sentence, { environment, rollout, level })
      return Promise.resolve()
    },
  }
}

function createHttpServer(listener: RequestListener, limits: HttpLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.requestHeadMs,
      requestTimeout: limits.requestMs,
      // Node looks at the two by itself only every 30 seconds.
      connectionsCheckingInterval: Math.min(limits.requestHeadMs, 5000),
    },
    listener,
  )
  server.maxConnections = limits.maxConnections
  return server
}

/** Listens and returns the address for people. */
function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new CommandError(listenFault(error, host, port), exitCodes.failed))
    })
    server.listen({ port, host, backlog }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`)
    })
  })
}

function listenFault({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} at ${host} is in use: is Pipit running already? Choose another with --port or PIPIT_PORT`
    case 'EACCES':
      return `port ${port} may not be used by this user; choose one above 1023 with --port or PIPIT_PORT`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is no address of this machine; mend --host or PIPIT_HOST (127.0.0.1 is always one)`
    default:
      return `cannot listen at ${host}, port ${port}: ${message}`
  }
}

/** Resolves at the first signal to stop; a second one ends the process at once. */
function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(exitCodes.failed))
        resolve(signal)
      })
    }
  })
}
