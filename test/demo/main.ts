/**
 * The demo: a control plane, a shop of two processes and several thousand users, all on this machine, with four rollouts
 * that Pipit decides by itself. Exits 0 only when each ended as it should.
 *
 *     npm run demo -- [--seed 7] [--sessions 250] [--people 8000]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type AnalysisView, type ControlPlane, controlPlane, freePort, type RolloutView } from './control-plane.ts'
import { type ConvergenceView, type Ending, gatherFacts, tellFacts } from './facts.ts'
import type { LoadReport } from './messages.ts'
import { acts, define } from './scenario.ts'
import { createScreen } from './screen.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    sessions: { type: 'string', default: '250' },
    people: { type: 'string', default: '8000' },
  },
})

const limitMs = 175_000
const killAfterMs = 35_000
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** Starts a program of the demo and waits for its first message. */
function program(file: string, args: readonly string[]): Promise<{ child: ChildProcess; first: { port?: number } }> {
  const child = fork(here(file), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return new Promise((resolve, reject) => {
    child.once('message', (first: { port?: number }) => resolve({ child, first }))
    child.once('exit', (code) => reject(new Error(`${file} stopped with code ${code} before it said anything`)))
  })
}

interface Stage {
  readonly plane: ControlPlane
  readonly shops: readonly ChildProcess[]
  readonly load: ChildProcess
  latest: LoadReport | undefined
}

async function setUp(directory: string): Promise<Stage> {
  const secrets = {
    adminToken: `adm_${randomBytes(18).toString('hex')}`,
    serverKey: `srv_${randomBytes(18).toString('hex')}`,
  }
  const plane = controlPlane(await freePort(), join(directory, 'pipit.db'), secrets)
  await plane.start()
  await define(plane)
  const shops: ChildProcess[] = []
  const ports: number[] = []
  for (let i = 0; i < 2; i++) {
    const shop = await program('./shop.ts', [
      plane.url,
      secrets.serverKey,
      '0',
      `${Number(values.seed) + i}`,
      `shop-${i + 1}`,
    ])
    shops.push(shop.child)
    ports.push(shop.first.port ?? 0)
  }
  const load = await program('./load.ts', [ports.join(','), values.seed, values.sessions, values.people])
  const stage: Stage = { plane, shops, load: load.child, latest: undefined }
  load.child.on('message', (message: LoadReport) => {
    stage.latest = message
  })
  return stage
}

async function look(plane: ControlPlane): Promise<{ view: RolloutView; analysis: AnalysisView }[]> {
  return await Promise.all(
    acts.map(async ({ key }) => ({
      view: await plane.call<RolloutView>('GET', `/rollouts/${key}`),
      analysis: await plane.call<AnalysisView>('GET', `/rollouts/${key}/analysis`),
    })),
  )
}

async function pushesOf(plane: ControlPlane, key: string): Promise<readonly ConvergenceView[]> {
  return (await plane.call<{ items: ConvergenceView[] }>('GET', `/rollouts/${key}/convergence`)).items
}

/** Runs until every rollout has come to its end (or time is up) and returns how each ended. */
async function play(stage: Stage): Promise<{ endings: Map<string, Ending>; killed: boolean }> {
  const screen = createScreen(process.stdout)
  const began = performance.now()
  const endings = new Map<string, Ending>()
  let killed = false
  let note = 'staff first, then beta users, then everybody'
  while (performance.now() - began < limitMs && (endings.size < acts.length || !killed)) {
    const elapsedMs = performance.now() - began
    if (!killed && elapsedMs > killAfterMs) {
      killed = true
      await stage.plane.kill('SIGKILL')
      screen.say('>>> kill -9 of the control plane; the shop goes on deciding by itself')
      await sleep(3000)
      await stage.plane.start()
      screen.say('>>> the control plane is back; reports of the outage arrive now')
      note = 'killed and restarted on the way'
    }
    const rollouts = await look(stage.plane)
    screen.show({ elapsedMs, note, rollouts, load: stage.latest })
    for (const { view } of rollouts) {
      if (view.phase === 'awaiting-approval') {
        await stage.plane.call('POST', `/rollouts/${view.key}/approve`, { reason: 'beta users are happy' })
        screen.say(`>>> approved ${view.key}, as a person would on the page`)
      }
      const ending = endings.get(view.key)
      if (ending !== undefined && ending.pushes.length === 0) ending.pushes = await pushesOf(stage.plane, view.key)
      if (['succeeded', 'reverted', 'paused'].includes(view.phase) && ending === undefined) {
        endings.set(view.key, { phase: view.phase, view, pushes: [] })
      }
    }
    await sleep(1000)
  }
  return { endings, killed }
}

async function main(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-demo-'))
  let stage: Stage | undefined
  try {
    console.log(
      `Pipit demo, seed ${values.seed}: ${values.people} people, ${values.sessions} sessions a second of four requests each`,
    )
    stage = await setUp(directory)
    const { endings, killed } = await play(stage)
    const { load } = stage
    const done = new Promise<void>((resolve) => {
      load.on('message', (message: LoadReport) => message.type === 'done' && resolve())
    })
    load.send({ type: 'stop' })
    await done
    for (const [key, ending] of endings)
      if (ending.pushes.length === 0) ending.pushes = await pushesOf(stage.plane, key)
    const facts = await gatherFacts(stage.plane, endings, stage.latest as LoadReport)
    return tellFacts(facts, killed)
  } finally {
    for (const shop of stage?.shops ?? []) shop.kill('SIGTERM')
    stage?.load.kill('SIGKILL')
    await stage?.plane.kill('SIGTERM')
    rmSync(directory, { recursive: true, force: true })
  }
}

process.exitCode = await main()
