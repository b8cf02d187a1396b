import { type CompiledRollout, type Decision, decide, type User } from '../decide/index.ts'
import { unitHash } from '../hash/index.ts'
import { protocolVersion, type ServerMessage } from '../protocol/index.ts'
import { compilePath } from '../rules/index.ts'
import type { Client, ClientOptions, ClientStatus, DecideOptions, Outcome, TrackOptions } from './api.ts'
import { createBreakers } from './breaker.ts'
import { createEventQueue } from './event-queue.ts'
import { createExposureLog } from './exposure-log.ts'
import { createHttpFallback } from './http-fallback.ts'
import { createLink, type Link } from './link.ts'
import { createListeners } from './listeners.ts'
import { createOutcomeAggregator } from './outcome-aggregator.ts'
import type { ClientPlatform } from './platform.ts'
import { createReporter } from './reporter.ts'
import { createRulesetHolder, decodeStored, encodeStored } from './ruleset-holder.ts'
import { runPaths } from './run.ts'
import { createTrouble } from './trouble.ts'

const defaultFlushMs = 1000
const storeDelayMs = 1000
/** Failed attempts in a row after which HTTP takes over until a socket opens. */
const failuresBeforeHttp = 3

/** Decisions that say nothing about a variant: their outcomes are not evidence. */
const noEvidence: ReadonlySet<string> = new Set(['not-ready', 'unknown-rollout', 'phase', 'no-unit'])

/** The SDK without a platform: everything that is the same in Node and in a browser. */
export function createClientCore(platform: ClientPlatform, options: ClientOptions): Client {
  const { clock, random } = platform
  const created = clock.monotonic()
  const instance = randomId(random)
  const listeners = createListeners()
  const trouble = createTrouble(options.logger ?? platform.log, (code, message) =>
    listeners.emit('error', () => ({ code, message })),
  )
  const outcomes = createOutcomeAggregator()
  const exposures = createExposureLog(options.maxRememberedUnits ?? 100_000)
  const events = createEventQueue(options.maxPendingEvents ?? 10_000)
  const breakers = createBreakers((rollout) => {
    reporter.breakersChanged()
    trouble.tell(
      `breaker ${rollout}`,
      `the canary of ${rollout} fails far more than stable in this process: serving stable until its next stage`,
    )
    listeners.emit('status', status)
  })
  const rulesets = createRulesetHolder(onChange)
  const readyWaiters = new Set<() => void>()
  let lastContact: number | undefined
  let closed = false
  let cancelStore: (() => void) | undefined

  const headers = {
    authorization: `Bearer ${options.key}`,
    'x-pipit-instance': instance,
    'x-pipit-sdk': `${platform.sdk.name}/${platform.sdk.version}`,
  }
  const fallback = createHttpFallback({
    clock,
    random,
    request: platform.request,
    url: options.url,
    headers,
    message: onMessage,
    trouble: trouble.tell,
  })
  const link: Link | undefined =
    platform.connect &&
    createLink({ connect: platform.connect, clock, random }, options.url, options.key, {
      greeting: () => hello(rulesets.compiled?.version),
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

  function hello(version: number | undefined) {
    return {
      type: 'hello' as const,
      protocol: protocolVersion,
      sdk: platform.sdk,
      instance,
      ...(version === undefined ? {} : { version }),
      ...(options.labels === undefined ? {} : { labels: options.labels }),
    }
  }

  function onLinkState(online: boolean, failures: number): void {
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
        if (message.seq !== undefined && !message.retry) reporter.refused(message.seq)
        return
      case 'ping':
      case 'pong':
    }
  }

  /** This SDK decides by what the server has: says so, and sends what waited for a connection. */
  function onCurrent(): void {
    link?.send({ type: 'applied', version: rulesets.compiled?.version ?? 0 })
    reporter.reconnected()
  }

  function onChange(rollouts: readonly string[]): void {
    const epochs = new Map<string, number>()
    for (const [key, rollout] of Object.entries(rulesets.compiled?.ruleset.rollouts ?? {})) {
      if (rollout.phase === 'running' || rollout.phase === 'paused' || rollout.phase === 'awaiting-approval')
        epochs.set(key, rollout.epoch)
    }
    if (breakers.retain(epochs)) reporter.breakersChanged()
    for (const waiter of readyWaiters) waiter()
    readyWaiters.clear()
    listeners.emit('change', () => ({ version: rulesets.compiled?.version ?? 0, rollouts }))
    storeLater()
  }

  function storeLater(): void {
    const { store } = platform
    if (store === undefined || rulesets.source !== 'server' || cancelStore !== undefined || closed) return
    cancelStore = clock.setTimer(storeDelayMs, () => {
      cancelStore = undefined
      const { compiled } = rulesets
      if (compiled === undefined) return
      store.save(encodeStored(compiled.ruleset)).catch((error: unknown) => {
        trouble.tell('store', `the last ruleset cannot be kept: ${String(error)}`)
      })
    })
  }

  async function loadStore(): Promise<void> {
    try {
      const text = await platform.store?.load()
      if (text === undefined) return
      const stored = decodeStored(text)
      if (stored === undefined)
        trouble.tell('store', 'the stored ruleset is damaged and is left out; the server sends a new one')
      else rulesets.take(stored, 'store')
    } catch (error) {
      trouble.tell('store', `the stored ruleset cannot be read: ${String(error)}`)
    }
  }

  function sampled(rollout: CompiledRollout | undefined, hash: string): boolean {
    const share = rollout?.source.unitSample
    return share === undefined || Number.parseInt(hash.slice(0, 8), 16) < share * 4_294_967_296
  }

  function decideFor(user: User | undefined, callOptions: DecideOptions | undefined): Decision {
    const key = callOptions?.rollout ?? options.rollout ?? ''
    const { compiled } = rulesets
    const rollout = compiled?.rollout(key)
    const decision = decide(compiled, key, user, callOptions, forcedStable(key, rollout))
    if (compiled !== undefined && rollout?.deciding === true && decision.unit !== undefined) {
      const { unitSalt } = compiled.ruleset
      if (rollout.source.unitSample === undefined || sampled(rollout, unitHash(unitSalt, decision.unit))) {
        exposures.add(decision, (unit) => unitHash(unitSalt, unit))
      }
    }
    return decision
  }

  function forcedStable(key: string, rollout: CompiledRollout | undefined): 'breaker' | 'deadman' | undefined {
    if (rollout === undefined || !rollout.deciding) return undefined
    if (rollout.source.breaker !== false && breakers.isOpen(key, rollout.source.epoch)) return 'breaker'
    const { deadmanMs } = rollout.source
    if (deadmanMs !== undefined && clock.monotonic() - (lastContact ?? created) >= deadmanMs) return 'deadman'
    return undefined
  }

  function record(decision: Decision, outcome: Outcome): void {
    if (typeof decision?.rollout !== 'string' || typeof outcome?.ok !== 'boolean') {
      reporter.countInvalid()
      trouble.tell(
        'invalid-outcome',
        'outcome(decision, { ok, latencyMs }) was called with something else; it is not counted',
      )
      return
    }
    if (noEvidence.has(decision.reason)) return
    const rollout = rulesets.compiled?.rollout(decision.rollout)
    outcomes.add(decision, rollout, outcome.ok, latencyOf(outcome))
    if (rollout?.source.breaker !== false) breakers.record(decision, outcome.ok, clock.monotonic())
  }

  function latencyOf(outcome: Outcome): number | undefined {
    const { latencyMs } = outcome
    if (latencyMs === undefined) return undefined
    if (typeof latencyMs === 'number' && latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY) return latencyMs
    reporter.countInvalid()
    trouble.tell(
      'invalid-latency',
      `latencyMs must be a number of at least 0, not ${String(latencyMs)}; the outcome counts without it`,
    )
    return undefined
  }

  function trackEvent(user: User | undefined, event: string, trackOptions: TrackOptions | undefined): void {
    const unit = unitOf(user, trackOptions?.unit)
    const value = trackOptions?.value
    const id = trackOptions?.id
    const wrong =
      unit === undefined ||
      typeof event !== 'string' ||
      event === '' ||
      event.length > 128 ||
      (value !== undefined && !(typeof value === 'number' && Math.abs(value) <= 1e15)) ||
      (id !== undefined && (typeof id !== 'string' || id === '' || id.length > 128))
    if (wrong) {
      reporter.countInvalid()
      trouble.tell(
        'invalid-event',
        'track(user, event, { value, id }) needs a user id, a name, a finite value and an id of 1 to 128 characters; the event is not counted',
      )
      return
    }
    const ruleset = rulesets.compiled?.ruleset
    if (ruleset === undefined) {
      early.push({ unit, event, value, id, at: clock.monotonic() })
      if (early.length > 1000) early.shift()
      return
    }
    if (!Object.values(ruleset.rollouts).some((rollout) => rollout.events?.includes(event) === true)) return
    events.add({ event, unit: unitHash(ruleset.unitSalt, unit), at: clock.monotonic(), value, id })
  }

  /** Events from before the first ruleset: without its salt a unit cannot be named yet. */
  const early: { unit: string; event: string; value: number | undefined; id: string | undefined; at: number }[] = []

  function releaseEarly(): void {
    const ruleset = rulesets.compiled?.ruleset
    if (ruleset === undefined) return
    for (const { unit, ...event } of early.splice(0)) events.add({ ...event, unit: unitHash(ruleset.unitSalt, unit) })
  }
  listeners.on('change', releaseEarly)

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
        events: events.pending + early.length,
      },
      dropped: { ...reporter.dropped },
      breakers: breakers.states().map((state) => state.rollout),
      lastError: trouble.last(),
    }
  }

  /** Runs a call of the application; whatever goes wrong inside stays inside. */
  function safely<T>(call: () => T, otherwise: () => T): T {
    try {
      return call()
    } catch (error) {
      trouble.tell('internal', `an SDK call failed: ${String(error)}`)
      return otherwise()
    }
  }

  function decideSafely(user: User | undefined, callOptions?: DecideOptions): Decision {
    return safely(
      () => decideFor(user, callOptions),
      () => decide(undefined, options.rollout ?? '', undefined),
    )
  }

  if (options.bootstrap !== undefined) {
    const bootstrap = safely(
      () => decodeStored(encodeStored(options.bootstrap as never)),
      () => undefined,
    )
    if (bootstrap === undefined) trouble.tell('bootstrap', 'the bootstrap ruleset is not one; it is left out')
    else rulesets.take(bootstrap, 'bootstrap')
  }
  void loadStore()
  reporter.start(defaultFlushMs)
  if (link === undefined) fallback.start()
  else link.start()

  return {
    ready({ timeoutMs = 5000 } = {}) {
      if (rulesets.compiled !== undefined) return Promise.resolve(true)
      return new Promise((resolve) => {
        const arrived = (): void => {
          cancel()
          resolve(true)
        }
        const cancel = clock.setTimer(timeoutMs, () => {
          readyWaiters.delete(arrived)
          resolve(false)
        })
        readyWaiters.add(arrived)
      })
    },
    variant: (user, callOptions) => decideSafely(user, callOptions).variant,
    decide: decideSafely,
    run: (user, paths, runOptions) =>
      runPaths(
        {
          decide: decideSafely,
          outcome: (decision, outcome) =>
            safely(
              () => record(decision, outcome),
              () => undefined,
            ),
          monotonic: clock.monotonic,
        },
        user,
        paths,
        runOptions,
      ),
    outcome: (decision, outcome) =>
      safely(
        () => record(decision, outcome),
        () => undefined,
      ),
    track: (user, event, trackOptions) =>
      safely(
        () => trackEvent(user, event, trackOptions),
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
      cancelStore?.()
      link?.stop()
      fallback.stop()
    },
  }
}

function randomId(random: () => number): string {
  let id = ''
  while (id.length < 20) id += Math.floor(random() * 36).toString(36)
  return id
}

function unitOf(user: User | undefined, attribute: string | undefined): string | undefined {
  if (typeof user === 'string') return user === '' || attribute !== undefined ? undefined : user
  if (typeof user !== 'object' || user === null) return undefined
  const own = attribute === undefined ? user.id : compilePath(attribute)(user)
  const value = own === undefined || own === '' ? user.anonymousId : own
  return typeof value === 'number' || (typeof value === 'string' && value !== '') ? String(value) : undefined
}
