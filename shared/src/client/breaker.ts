import { logHarmEvalue } from '../base/index.ts'
import type { Cancel, Clock } from '../clock/index.ts'
import type { Decision } from '../decide/index.ts'
import type { BreakerState } from '../protocol/index.ts'

/** Odds ratios the breaker looks for: far beyond what the server's judge needs to act. */
const oddsRatios = [4, 12]
/** e ≥ 10 000, which an innocent canary reaches with a chance of at most 1 in 10 000 however often one looks (Ville). */
const logNeeded = Math.log(10_000)
const tickMs = 1000
const leastFailures = 5
const leastUnits = 3
const leastRatio = 3
const leastDifference = 0.05

interface Watch {
  readonly rollout: string
  readonly epoch: number
  readonly logs: number[]
  readonly failedUnits: Set<string>
  tick: { n1: number; x1: number; n0: number; x0: number }
  total: { n1: number; x1: number; n0: number; x0: number }
  /** Pooled counts of closed ticks: the rate must be known before the tick it judges. */
  before: { n: number; x: number }
  open: boolean
}

const empty = (): { n1: number; x1: number; n0: number; x0: number } => ({ n1: 0, x1: 0, n0: 0, x0: 0 })

/** One breaker per rollout: opens where this process alone sees the canary fail far beyond its own stable traffic. */
export interface Breakers {
  record(decision: Decision, ok: boolean): void
  /** How many are open. */
  readonly open: number
  isOpen(rollout: string, epoch: number): boolean
  /** The epoch of each rollout that is running; the breakers of all others close. True when one closed. */
  retain(epochOf: (rollout: string) => number | undefined): boolean
  states(): readonly BreakerState[]
  stop(): void
}

export function createBreakers(clock: Clock, onOpen: (rollout: string) => void): Breakers {
  const watches = new Map<string, Watch>()
  /** Of the outcome before. */
  let last: Watch | undefined
  /** Runs from the first outcome of a tick to its end. Asking a clock at each outcome would cost more than to count it. */
  let ticking: Cancel | undefined
  // A plain field and no getter: it is read at each decision.
  const state = { open: 0 }

  function closeTick(rollout: string, watch: Watch): void {
    const { n1, x1, n0, x0 } = watch.tick
    const q = (watch.before.x + 0.5) / (watch.before.n + 50)
    oddsRatios.forEach((psi, i) => {
      watch.logs[i] = (watch.logs[i] as number) + logHarmEvalue(n1, x1, n0, x0, q, psi)
    })
    watch.before.n += n1 + n0
    watch.before.x += x1 + x0
    watch.tick = empty()
    if (!watch.open && trips(watch)) {
      watch.open = true
      state.open++
      onOpen(rollout)
    }
  }

  function closeTicks(): void {
    ticking = undefined
    for (const [rollout, watch] of watches) if (watch.tick.n1 + watch.tick.n0 > 0) closeTick(rollout, watch)
  }

  /** The watch of the decision's epoch; undefined for one that is over. */
  function watchOf(decision: Decision): Watch | undefined {
    if (last !== undefined && last.rollout === decision.rollout && last.epoch === decision.epoch) return last
    const watch = findWatch(decision)
    if (watch !== undefined) last = watch
    return watch
  }

  function findWatch(decision: Decision): Watch | undefined {
    const known = watches.get(decision.rollout)
    if (known !== undefined && known.epoch >= decision.epoch) return known.epoch === decision.epoch ? known : undefined
    if (known?.open) state.open--
    const begun: Watch = {
      rollout: decision.rollout,
      epoch: decision.epoch,
      logs: oddsRatios.map(() => 0),
      failedUnits: new Set(),
      tick: empty(),
      total: empty(),
      before: { n: 0, x: 0 },
      open: false,
    }
    watches.set(decision.rollout, begun)
    return begun
  }

  return Object.assign(state, {
    record(decision: Decision, ok: boolean) {
      if (decision.reason !== 'split') return
      const watch = watchOf(decision)
      if (watch === undefined) return
      ticking ??= clock.setTimer(tickMs, closeTicks)
      const canary = decision.variant !== 'stable'
      count(watch.tick, canary, ok)
      count(watch.total, canary, ok)
      if (!ok && canary && watch.failedUnits.size < leastUnits)
        watch.failedUnits.add(decision.unit ?? `request ${watch.total.x1}`)
    },
    isOpen: (rollout: string, epoch: number) => {
      if (state.open === 0) return false
      const watch = watches.get(rollout)
      return watch?.open === true && watch.epoch === epoch
    },
    retain(epochOf: (rollout: string) => number | undefined) {
      let closed = false
      for (const [rollout, watch] of watches) {
        if (epochOf(rollout) === watch.epoch) continue
        if (watch.open) {
          state.open--
          closed = true
        }
        watches.delete(rollout)
      }
      last = undefined
      return closed
    },
    states() {
      const open: BreakerState[] = []
      for (const [rollout, { epoch, total, open: isOpen }] of watches) {
        if (!isOpen) continue
        open.push({
          rollout,
          epoch,
          canary: { n: total.n1, failed: total.x1 },
          stable: { n: total.n0, failed: total.x0 },
        })
      }
      return open
    },
    stop() {
      ticking?.()
      ticking = undefined
    },
  })
}

function count(tally: Watch['tick'], canary: boolean, ok: boolean): void {
  if (canary) tally.n1++
  else tally.n0++
  if (ok) return
  if (canary) tally.x1++
  else tally.x0++
}

function trips({ logs, total, failedUnits }: Watch): boolean {
  const logE = Math.log(logs.reduce((sum, log) => sum + Math.exp(Math.min(log, 700)), 0) / logs.length)
  if (logE < logNeeded || total.x1 < leastFailures || failedUnits.size < leastUnits) return false
  const canary = total.x1 / total.n1
  const stable = total.n0 === 0 ? 0 : total.x0 / total.n0
  return canary > leastRatio * stable && canary - stable >= leastDifference
}
