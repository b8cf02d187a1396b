/**
 * A change of weight reaches 200 connected SDKs in two processes of their own, through a real server process, and every one of them confirms
 * it. Times are printed for people; none decides whether the test passes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

const processes = 2
const sdksPerProcess = 100
const sdkCount = processes * sdksPerProcess
const changes = 20

interface Convergence {
  readonly version: number
  readonly instances: number
  readonly applied: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lastMs: number
}

let server: TestServer
const children: ChildProcess[] = []
beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await server.stop()
})

async function convergence(): Promise<Convergence> {
  const answer = await server.api('GET', '/rollouts/pushed/convergence?limit=1')
  return (answer.body as { items: Convergence[] }).items[0] as Convergence
}

/** The next message of a process; rejects when it ends instead. */
function heard(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`a process of SDKs ended with code ${code}`)))
  })
}

/** Starts processes full of SDKs and waits until each has a socket. */
async function connectSdks(): Promise<void> {
  for (let i = 0; i < processes; i++) {
    const args = [server.url, server.serverKey, 'pushed', String(sdksPerProcess)]
    children.push(fork(new URL('./push-instances.ts', import.meta.url), args, { execArgv: ['--conditions=source'] }))
  }
  await Promise.all(children.map(heard))
}

async function variants(): Promise<string[]> {
  const answers = Promise.all(children.map(heard))
  for (const child of children) child.send('variants')
  return (await answers).flat() as string[]
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('waited 10 s in vain')
}

describe('push', () => {
  it(`takes a change of weight to ${sdkCount} SDKs, with a receipt from each`, async () => {
    const stages = [
      // At 1 % the salt of the day may choose the user whom all ask for.
      { name: 'none', weight: 0, hold: '10h' },
      { name: 'full', weight: 100 },
    ]
    expect((await server.api('POST', '/rollouts', { key: 'pushed', stages })).status).toBe(201)
    expect((await server.api('POST', '/rollouts/pushed/start', {})).status).toBe(200)
    await connectSdks()
    expect(new Set(await variants())).toEqual(new Set(['stable']))
    const seen: Convergence[] = []
    for (let i = 1; i <= changes; i++) {
      const weight = i === changes ? 100 : i * 2
      const answer = await server.api('POST', '/rollouts/pushed/set-weight', { weight, reason: 'test' })
      expect(answer.status).toBe(200)
      await until(async () => (await convergence()).applied === sdkCount)
      seen.push(await convergence())
    }
    expect(seen.map(({ instances, applied }) => [instances, applied])).toEqual(seen.map(() => [sdkCount, sdkCount]))
    expect(await variants()).toEqual(Array.from({ length: sdkCount }, () => 'canary'))
    const median = (pick: (entry: Convergence) => number): number =>
      seen.map(pick).sort((a, b) => a - b)[Math.floor(seen.length / 2)] as number
    console.info(
      `push to ${sdkCount} SDKs in ${processes} processes, ${changes} changes: from publish to receipt p50 ${median((entry) => entry.p50Ms)} ms, p99 ${median((entry) => entry.p99Ms)} ms, last ${median((entry) => entry.lastMs)} ms (medians)`,
    )
  })
})
