import type { Judgement } from '@pipit/server/analysis'
import type { ControlPlane, RolloutView } from './control-plane.ts'
import type { LoadReport, PageCounts } from './messages.ts'
import { type Act, acts } from './scenario.ts'

export interface Ending {
  readonly phase: string
  readonly view: RolloutView
  /** The pushes known shortly after the end: receipts are kept in memory and would not survive the kill. */
  pushes: readonly ConvergenceView[]
}

interface HistoryView {
  readonly at: number
  readonly event: string
  readonly summary: string
  readonly actor: { readonly kind: string }
  readonly to: { readonly phase: string }
  readonly judgement?: Judgement
}

export interface ConvergenceView {
  readonly version: number
  readonly publishedAt: number
  readonly instances: number
  readonly applied: number
  readonly lastMs?: number
}

/** What happened to one rollout, in figures. Spans are milliseconds. */
export interface Fact {
  readonly act: Act
  readonly phase: string
  readonly asExpected: boolean
  readonly why: string
  /** From the first bad request to the verdict (for the paused one: from the first canary request). */
  readonly toVerdictMs: number | undefined
  readonly badRequests: number | undefined
  readonly receiptsMs: number | undefined
  readonly receipts: string
  readonly splitUsers: number
  readonly splitShare: number | undefined
}

export interface Facts {
  readonly rollouts: readonly Fact[]
  readonly requests: number
  readonly failedBecauseOfPipit: number
  /** Automatic decisions, and those that came out the same to the bit when they were taken again on their stored evidence. */
  readonly decisions: { readonly taken: number; readonly identical: number }
}

async function factOf(
  plane: ControlPlane,
  act: Act,
  ending: Ending | undefined,
  page: PageCounts | undefined,
): Promise<Fact> {
  const { items: history } = await plane.call<{ items: HistoryView[] }>('GET', `/rollouts/${act.key}/history?limit=50`)
  const verdict = history.find((entry) => entry.to.phase === act.expected && entry.actor.kind === 'engine')
  const push = (ending?.pushes ?? []).filter((item) => verdict !== undefined && item.publishedAt >= verdict.at).at(-1)
  const harmBegan =
    act.expected === 'reverted' ? (page?.firstCanaryFailureAt ?? page?.firstCanaryAt) : page?.firstCanaryAt
  const phase = ending?.phase ?? 'unfinished'
  return {
    act,
    phase,
    asExpected: phase === act.expected,
    why: verdict?.judgement?.sentence ?? verdict?.summary ?? history[0]?.summary ?? 'nothing happened',
    toVerdictMs:
      verdict === undefined || harmBegan === undefined || act.expected === 'succeeded'
        ? undefined
        : verdict.at - harmBegan,
    badRequests: act.expected === 'succeeded' ? undefined : page?.canary,
    receiptsMs:
      verdict === undefined || push?.lastMs === undefined ? undefined : push.publishedAt + push.lastMs - verdict.at,
    receipts: push === undefined ? '–' : `${push.applied} of ${push.instances}`,
    splitUsers: page?.splitUsers ?? 0,
    splitShare:
      page === undefined || page.splitUsers === 0 ? undefined : (100 * page.splitCanaryUsers) / page.splitUsers,
  }
}

export async function gatherFacts(
  plane: ControlPlane,
  endings: ReadonlyMap<string, Ending>,
  load: LoadReport,
): Promise<Facts> {
  const rollouts: Fact[] = []
  for (const act of acts) rollouts.push(await factOf(plane, act, endings.get(act.key), load.pages[act.key]))
  const decisions = await replayAll(plane)
  return { rollouts, requests: load.requests, failedBecauseOfPipit: load.failedOtherwise, decisions }
}

async function replayAll(plane: ControlPlane): Promise<Facts['decisions']> {
  let taken = 0
  let identical = 0
  for (const { key } of acts) {
    const path = `/rollouts/${key}/decisions`
    const { items } = await plane.call<{ items: readonly { readonly id: string }[] }>('GET', `${path}?limit=200`)
    for (const { id } of items) {
      taken++
      const replay = await plane.call<{ identical: boolean }>('GET', `${path}/${id}/replay`)
      if (replay.identical) identical++
    }
  }
  return { taken, identical }
}

const seconds = (ms: number | undefined): string => {
  if (ms === undefined) return '–'
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** Within four standard errors of a fair draw at the weight: for a share of users seen, not of traffic. */
function splitHolds(fact: Fact): boolean {
  const weight = fact.act.onlyWeight
  if (weight === undefined || fact.splitShare === undefined) return true
  const share = weight / 100
  return Math.abs(fact.splitShare / 100 - share) <= 4 * Math.sqrt((share * (1 - share)) / fact.splitUsers)
}

function tellRollout(fact: Fact): void {
  const { act } = fact
  console.log(
    `\n${fact.asExpected ? 'ok  ' : 'FAIL'} ${act.key}: ${fact.phase} (expected ${act.expected}); its canary: ${act.what}`,
  )
  console.log(`     why: ${fact.why}`)
  if (fact.toVerdictMs !== undefined) {
    const from = act.expected === 'paused' ? 'first canary request' : 'first bad request'
    console.log(
      `     ${from} → verdict ${seconds(fact.toVerdictMs)}; canary requests served until all was over ${fact.badRequests}`,
    )
  }
  console.log(`     verdict → last receipt of an SDK ${seconds(fact.receiptsMs)} (${fact.receipts} instances)`)
  if (act.onlyWeight !== undefined && fact.splitShare !== undefined) {
    console.log(`     split: ${fact.splitShare.toFixed(2)} % of ${fact.splitUsers} users at weight ${act.onlyWeight} %`)
  }
}

/** Prints the table of facts and returns the exit code. */
export function tellFacts(facts: Facts, killed: boolean): number {
  console.log('\n──── What happened ────')
  for (const fact of facts.rollouts) tellRollout(fact)
  console.log(
    `\nrequests served: ${facts.requests.toLocaleString('en')}, failed because of Pipit: ${facts.failedBecauseOfPipit}`,
  )
  console.log(`the control plane was ${killed ? 'killed (kill -9) and started again on the way' : 'never killed'}`)
  const { taken, identical } = facts.decisions
  console.log(`automatic decisions replayed on their stored evidence: ${identical} of ${taken} identical to the bit`)
  const faults = [
    ...facts.rollouts
      .filter((fact) => !fact.asExpected)
      .map((fact) => `${fact.act.key} is ${fact.phase}, not ${fact.act.expected}`),
    ...facts.rollouts.filter((fact) => !splitHolds(fact)).map((fact) => `the split of ${fact.act.key} is off`),
    ...(facts.failedBecauseOfPipit > 0 ? [`${facts.failedBecauseOfPipit} requests failed because of Pipit`] : []),
    ...(killed ? [] : ['the control plane was not killed']),
    ...(identical < taken || taken === 0 ? [`${taken - identical} decisions came out different on replay`] : []),
  ]
  console.log(
    faults.length === 0 ? '\nEvery rollout ended as it should.' : `\nNot as it should be: ${faults.join('; ')}.`,
  )
  return faults.length === 0 ? 0 : 1
}
