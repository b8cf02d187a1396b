import type { Cancel } from '../clock/index.ts'
import { createOutcomeAggregator } from '../counting/index.ts'
import type { CompiledRuleset, Decision } from '../decide/index.ts'
import type { ServerMessage } from '../protocol/index.ts'
import type { Client, ClientOptions, ClientStatus, Outcome } from './api.ts'
import { createBreakers } from './breaker.ts'
import { createDecider } from './decider.ts'
import { createEventQueue } from './event-queue.ts'
import { createExposureLog } from './exposure-log.ts'
import { createHttpFallback } from './http-fallback.ts'
import { createIdentity } from './identity.ts'
import { createIntroduction } from './introduction.ts'
import { createLink, type Link } from './link.ts'
import { createListeners } from './listeners.ts'
import type { ClientPlatform } from './platform.ts'
import { createReadiness } from './readiness.ts'
import { createRecorder } from './recorder.ts'
import { createReporter } from './reporter.ts'
import { createRulesetHolder, decodeStored, encodeStored } from './ruleset-holder.ts'
import { createRulesetKeeper } from './ruleset-keeper.ts'
import { runPaths } from './run.ts'
import { createTracker } from './tracker.ts'
import { createTrouble } from './trouble.ts'

const defaultFlushMs = 1000
/** Failed attempts in a row after which HTTP takes over until a socket opens. */
const failuresBeforeHttp = 3

/** The client, with what a platform builds more from and applications do not see. */
export interface ClientCore extends Client {
  /**
   * Makes something of the ruleset that decisions are made from now, and of the milliseconds since the server was last heard of. Undefined where
   * that throws: it is then told of like any other trouble.
   */
  make<T>(from: (compiled: CompiledRuleset | undefined, silentMs: number) => T): T | undefined
}

/** The SDK without a platform: everything that is the same in Node and in a browser. */
export function createClientCore(platform: ClientPlatform, options: ClientOptions): ClientCore {
  const { clock, random } = platform
  const created = clock.monotonic()
  const listeners = createListeners()
  const trouble = createTrouble(options.logger ?? platform.log, (code, message) =>
    listeners.emit('error', () => ({ code, message })),
  )
  const outcomes = createOutcomeAggregator()
  const maxRemembered = options.maxRememberedUnits ?? 50_000
  const exposures = createExposureLog(maxRemembered, random)
  const identity = options.followSignIns === true ? createIdentity(maxRemembered, random) : undefined
  const events = createEventQueue(options.maxPendingEvents ?? 10_000)
  const breakers = createBreakers(clock, (rollout) => {
    reporter.breakersChanged()
    trouble.tell(
      `breaker ${rollout}`,
      `the canary of ${rollout} fails far more than stable in this process: serving stable until its next stage`,
    )
    listeners.emit('status', status)
  })
  const rulesets = createRulesetHolder(onChange)
  const tracker = createTracker({
    clock,
    events,
    ruleset: () => rulesets.compiled,
    unitOfId: identity?.unitOf,
    invalid(message) {
      reporter.countInvalid()
      trouble.tell('invalid-event', message)
    },
  })
  const record = createRecorder({
    outcomes,
    breakers,
    rulesets,
    invalid(code, message) {
      reporter.countInvalid()
      trouble.tell(code, message)
    },
  })
  const readiness = createReadiness(clock)
  const keeper = createRulesetKeeper({
    clock,
    store: platform.store,
    trouble: trouble.tell,
    current: () => rulesets.compiled?.ruleset,
    found: (ruleset) => rulesets.take(ruleset, 'store'),
  })
  let lastContact: number | undefined
  let closed = false
  let receipt: Cancel | undefined
  /** The server has answered the greeting of the socket that is up. */
  let greeted = false
  const silentMs = (): number => clock.monotonic() - (lastContact ?? created)
  const decider = createDecider({
    rulesets,
    exposures,
    identity,
    breakers,
    random,
    clock,
    userAgent: platform.userAgent,
    explain: platform.explain,
    defaultRollout: options.rollout ?? '',
    silentMs,
    trouble: trouble.tell,
  })

  const { hello, headers } = createIntroduction(platform, options.key, options.labels)
  const fallback = createHttpFallback({
    clock,
    random,
    request: platform.request,
    url: options.url,
    headers,
    message: onMessage,
    postpone: (ms) => reporter.postpone(ms),
    trouble: trouble.tell,
  })
  const link: Link | undefined =
    platform.connect &&
    createLink({ connect: platform.connect, clock, random }, options.url, options.key, {
      greeting: () => hello(rulesets.compiled?.version),
      // A greeting that was not answered has been lost, whatever lost it.
      beat: () => (greeted ? { type: 'ping' } : hello(rulesets.compiled?.version)),
      message: onMessage,
      state: onLinkState,
      trouble: trouble.tell,
    })
  const reporter = createReporter({
    clock,
    random,
    outcomes,
    exposures,
    events,
    breakers: breakers.states,
    unknownOperators: () => rulesets.compiled?.unknownOperators ?? 0,
    send: (text) => link?.sendText(text) === true || fallback.sendText(text, closed),
    trouble: trouble.tell,
  })

  function onLinkState(online: boolean, failures: number): void {
    greeted = false
    if (online) fallback.stop()
    else if (failures >= failuresBeforeHttp && !closed) fallback.start()
    listeners.emit('status', status)
  }

  function onMessage(message: ServerMessage): void {
    lastContact = clock.monotonic()
    switch (message.type) {
      case 'ruleset':
        rulesets.take(message.ruleset, 'server')
        reporter.setFlushMs(message.flushMs)
        onCurrent()
        return
      case 'patch':
        if (message.flushMs !== undefined) reporter.setFlushMs(message.flushMs)
        if (rulesets.patch(message)) onCurrent()
        else link?.send(hello(undefined))
        return
      case 'ack':
        reporter.acknowledged(message.seq)
        return
      case 'error':
        trouble.tell(message.code, message.message)
        if (message.code === 'hello-first') {
          greeted = false
          link?.send(hello(rulesets.compiled?.version))
        }
        if (message.seq !== undefined && !message.retry) reporter.refused(message.seq)
        else if (message.retryAfterMs !== undefined) reporter.postpone(message.retryAfterMs)
        return
      case 'ping':
      case 'pong':
    }
  }

  /**
   * This SDK decides by what the server has: says so, and after a greeting sends what waited for a connection. The receipt comes after what else
   * has arrived, so that a burst has one, and nobody in this process decides by an old version because of it.
   */
  function onCurrent(): void {
    receipt ??= clock.setTimer(0, () => {
      receipt = undefined
      link?.send({ type: 'applied', version: rulesets.compiled?.version ?? 0 })
    })
    if (greeted) return
    greeted = link?.online === true
    reporter.reconnected()
  }

  function runningEpoch(key: string): number | undefined {
    const rollout = rulesets.compiled?.rollout(key)
    return rollout?.deciding === true ? rollout.epoch : undefined
  }

  function onChange(rollouts: readonly string[]): void {
    if (breakers.retain(runningEpoch)) reporter.breakersChanged()
    tracker.release()
    readiness.arrived()
    listeners.emit('change', () => ({ version: rulesets.compiled?.version ?? 0, rollouts }))
    if (rulesets.source === 'server' && !closed) keeper.saveLater()
  }

  function status(): ClientStatus {
    return {
      connected: link?.online === true || fallback.online,
      transport: link?.online === true ? 'socket' : fallback.online ? 'http' : 'none',
      version: rulesets.compiled?.version ?? 0,
      source: rulesets.source,
      lastContactMs: lastContact === undefined ? undefined : clock.monotonic() - lastContact,
      pending: {
        reports: reporter.sealed ? 1 : 0,
        outcomes: outcomes.cells,
        exposures: exposures.pending,
        events: events.pending + tracker.waiting(),
      },
      dropped: { ...reporter.dropped },
      breakers: breakers.states().map((state) => state.rollout),
      lastError: trouble.last(),
    }
  }

  /** As `safely`, without a closure: it is called for each outcome. */
  function outcome(decision: Decision, use: Outcome): void {
    try {
      record(decision, use)
    } catch (error) {
      failed(error)
    }
  }

  const failed = (error: unknown): void => trouble.tell('internal', `an SDK call failed: ${String(error)}`)

  /** Runs a call of the application; whatever goes wrong inside stays inside. */
  function safely<T>(call: () => T, otherwise: () => T): T {
    try {
      return call()
    } catch (error) {
      failed(error)
      return otherwise()
    }
  }

  if (options.bootstrap !== undefined) {
    const bootstrap = safely(
      () => decodeStored(encodeStored(options.bootstrap as never)),
      () => undefined,
    )
    if (bootstrap === undefined) trouble.tell('bootstrap', 'the bootstrap ruleset is not one; it is left out')
    else rulesets.take(bootstrap, 'bootstrap')
  }
  void keeper.load()
  reporter.start(defaultFlushMs)
  if (link === undefined) fallback.start()
  else link.start()

  return {
    ready: ({ timeoutMs = 5000 } = {}) =>
      rulesets.compiled === undefined ? readiness.wait(timeoutMs) : Promise.resolve(true),
    variant: decider.variant,
    variants: decider.variants,
    decide: decider.decide,
    run: (user, paths, which) =>
      runPaths(
        {
          decide: decider.decide,
          outcome,
          monotonic: clock.monotonic,
        },
        user,
        paths,
        which,
      ),
    outcome,
    track: (user, event, trackOptions) =>
      safely(
        () => tracker.track(user, event, trackOptions),
        () => undefined,
      ),
    make: (from) =>
      safely(
        () => from(rulesets.compiled, silentMs()),
        () => undefined,
      ),
    on: listeners.on,
    status,
    flush: ({ timeoutMs = 5000 } = {}) => reporter.flush(timeoutMs),
    async close({ timeoutMs = 2000 } = {}) {
      if (closed) return
      closed = true
      await reporter.flush(timeoutMs)
      reporter.stop()
      breakers.stop()
      receipt?.()
      keeper.stop()
      link?.stop()
      fallback.stop()
    },
  }
}
