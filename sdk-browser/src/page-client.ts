import type { Decision, User } from '@pipit/shared/decide'
import type { PageRollout, PageRuleset, PatchMessage } from '@pipit/shared/protocol'
import type { PageClient, PageClientOptions, PageStatus } from './api.ts'
import { bounded } from './bounded.ts'
import { decide, rolloutIn } from './decide.ts'
import { anonymous, identify, isOther, type Who } from './identify.ts'
import { createLink, type Message } from './link.ts'
import { createListeners } from './listeners.ts'
import { eventTypes, inFirst, type Page, type PageEvent } from './page.ts'
import { createReports, resendMs } from './reports.ts'
import { changes, patched, readRuleset } from './rulesets.ts'
import { runPaths, type Which } from './run.ts'
import { loadRuleset, storeRuleset } from './stored.ts'
import { until, type Waiting } from './until.ts'
import { sdk } from './version.ts'
import { watchViews } from './watch-views.ts'

/** The client over a page, real or not. Every method is as `PageClient` says. */
export function createPageClient(options: PageClientOptions, page: Page): PageClient {
  const { url, key, rollout: defaultRollout = '', labels } = options
  const now = (): number => page.performance.now()
  const random = (): number => page.Math.random()
  const where = url + key
  const instance = `page-${page.crypto.getRandomValues(new Uint32Array(4)).join('-')}`
  const reports = createReports(page)
  const keeps = options.storage !== false
  const listeners = createListeners(options.logger ?? page.console)
  const { emit, trouble } = listeners
  const held = new Map<string, Decision>()
  /** Decisions whose exposure was noted: what is asked again and again costs a look-up. */
  const told = new WeakSet<Decision>()
  const waiting = new Set() as Waiting
  let who = identify(options, where)
  let greeted: Who | undefined
  /** A greeting was not answered yet: what comes before may be about somebody else. */
  let awaiting = false
  let ruleset: PageRuleset | undefined
  let source: PageStatus['source'] = 'none'
  let knownAt = 0
  let contactAt: number | undefined
  let flushMs = 1000
  let transport = 'none'

  /** Whatever goes wrong inside stays inside. */
  function safely<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch {
      reports.drop('invalid')
      return undefined
    }
  }

  const rolloutOf = (of: string): PageRollout | undefined => rolloutIn(ruleset, of)
  /** The decision for the page's user, which is kept from the first that is made for them. */
  function own(of: string): Decision {
    const kept = held.get(of)
    const deadmanMs = rolloutOf(of)?.deadmanMs
    const silentMs = deadmanMs ? now() - (contactAt ?? 0) : 0
    if (kept && !(silentMs >= (deadmanMs ?? 1))) return kept
    const decision = decide(ruleset, of, who.user, { random, silentMs, other: !who.known })
    if (decision.reason === 'deadman') return decision
    if (who.known && decision.epoch) held.set(of, kept ?? decision)
    return kept ?? decision
  }

  /** Of another user phase and split alone are known. */
  const decided = (user: User | undefined, of: string): Decision =>
    isOther(user, who) ? decide(ruleset, of, user, { random, other: true }) : own(of)

  function decideFor(user: User | undefined, which?: Which): Decision {
    try {
      const decision = decided(user, (typeof which === 'string' ? which : which?.rollout) ?? defaultRollout)
      if (told.has(decision) || !who.known || isOther(user, who)) return decision
      told.add(decision)
      reports.expose(decision)
      wake()
      return decision
    } catch {
      reports.drop('invalid')
      return decide(undefined, defaultRollout)
    }
  }

  function take(next: PageRuleset, from: PageStatus['source'], ageMs: number): void {
    const before = ruleset?.rollouts ?? {}
    ruleset = next
    source = from
    knownAt = now() - ageMs
    who.known = true
    const rollouts = changes(before, next.rollouts)
    for (const of of rollouts) release(of, before[of]?.weight ?? 0)
    if (rollouts.length) emit('change', { version: next.version, rollouts })
    emit('decisions', undefined)
  }

  /** After a change: lets a kept decision go where the page asks for it, or where somebody took the canary back. */
  function release(of: string, weight: number): void {
    const kept = held.get(of)
    if (!kept) return
    const after = rolloutOf(of)
    const decision = decide(ruleset, of, who.user, { random })
    const back =
      decision.variant === 'stable' &&
      after?.phase !== 'succeeded' &&
      !((after?.weight ?? 0) >= weight && decision.reason !== 'phase')
    const [was, is] = [kept, decision].map(({ variant, payload }) => JSON.stringify([variant, payload]))
    if (back || listeners.has('change')) held.delete(of)
    else if (was === is) held.set(of, decision)
  }

  /** What the server said before, or to another tab. */
  function load(): void {
    try {
      const [stored, ageMs] = loadRuleset(page, who)
      // Of the same version only for a user of whom nothing is known yet.
      if (keeps && !(stored.version < (ruleset?.version ?? 0) + Number(!!who.known))) take(stored, 'store', ageMs)
    } catch {
      // Forbidden, damaged, or not there: as if there were nothing.
    }
  }

  function greet(anew?: boolean): void {
    greeted = (reports.queue[0]?.who as Who | undefined) ?? who
    if (anew) for (const report of reports.queue) report.sentAt = -1e9
    const hello = { type: 'hello', protocol: 1, sdk, instance, labels, ...greeted.says }
    awaiting = link.send(hello)
    if (!awaiting) link.post('page', hello)
  }

  function receive(text: unknown): void {
    try {
      hear(JSON.parse(text as string) as Message)
    } catch {
      trouble('bad-message', 'the server sent what this client does not understand')
    }
    pump()
    wake()
  }

  function hear(message: Message): void {
    const { type, code, heartbeatMs } = message
    contactAt = now()
    flushMs = bounded(message.flushMs, flushMs)
    if (heartbeatMs) link.beatEvery(bounded(heartbeatMs, 15_000))
    if (type === 'ping') link.send({ type: 'pong' })
    if (type === 'ack' || message.retry === false) reports.over(message.seq, type !== 'ack')
    if (code) fault(code, message.message)
    const whole = type === 'ruleset'
    if (whole || code) awaiting = false
    if ((whole || type === 'patch') && !awaiting && greeted === who) receiveRuleset(message, whole)
  }

  function fault(code: unknown, text: unknown): void {
    trouble(`${code}`, `${text}`)
    if (code === 'user-hash' && greeted === who) {
      held.clear()
      who = greeted = anonymous(who)
    }
    if (code === 'hello-first' && !awaiting) greeted = undefined
  }

  function receiveRuleset(message: Message, whole: boolean): void {
    let next: PageRuleset
    try {
      next = whole ? readRuleset(message.ruleset) : patched(ruleset, message as never as PatchMessage)
    } catch (error) {
      if (whole) throw error
      return greet()
    }
    take(next, 'server', 0)
    link.send({ type: 'applied', version: next.version })
    if (keeps) storeRuleset(page, who, next)
  }

  const seal = (): void => reports.seal(who, ruleset && Object.values(ruleset.rollouts))
  const isReady = (): boolean => !!who.known
  const isDone = (): boolean => !Object.values(reports.pending()).some(Boolean)
  const wake = (): void => void (isDone() || link.flushIn(flushMs))

  function pump(due?: boolean): void {
    for (const settle of waiting) settle()
    if (link.transport() === 'none') return
    if (due && !reports.queue.length) seal()
    const [first] = reports.queue
    // One greeting at a time, so that it is known whom an answer is about.
    if (greeted !== (first?.who ?? who)) return awaiting ? undefined : greet()
    if (!first) return
    if (now() - first.sentAt >= resendMs) {
      first.sentAt = now()
      if (!link.send(first.report)) link.post('reports', first.report)
    }
    link.flushIn(resendMs)
  }

  function conceal(): void {
    judge(true)
    seal()
    // As somebody else's it would count for the wrong user.
    for (const { who: of, report } of reports.queue)
      if (of === (greeted ?? of)) link.beacon({ key, instance, sdk, report })
  }

  function onEvent({ type, target, key: place }: PageEvent): void {
    if (type === 'storage') place === who.place && load()
    // Images that fail are errors too, of other targets.
    else if (/^(er|unh)/.test(type)) target === page && judge(false)
    else link.turn(type)
  }

  const outcome: PageClient['outcome'] = (decision, result) => {
    safely(() => reports.outcome(decision, result, rolloutOf(decision.rollout)))
    wake()
  }

  const judge = watchViews(options, held, (decision, ok) => outcome(decision, { ok }))

  function status(): PageStatus {
    const lastContactMs = contactAt === undefined ? undefined : now() - contactAt
    return {
      connected: link.transport() !== 'none',
      transport: link.transport(),
      version: ruleset?.version ?? 0,
      source,
      ageMs: source === 'server' ? lastContactMs : ruleset && now() - knownAt,
      lastContactMs,
      pending: reports.pending(),
      dropped: { ...reports.dropped },
      breakers: [],
      lastError: listeners.lastError,
    }
  }

  const link = createLink({
    ...{ page, url, key, instance, greet, receive, conceal },
    flush: () => pump(true),
    changed() {
      if (transport === link.transport()) return
      transport = link.transport()
      emit('status', status())
    },
  })

  if (options.bootstrap) {
    try {
      // It came with the page: it is as old at least.
      take(readRuleset(options.bootstrap), 'bootstrap', now())
    } catch {
      trouble('bootstrap', 'the bootstrap is no ruleset of a page; it is left out')
    }
  } else load()
  // On a server, where pages are only rendered, there is nothing to connect. Elsewhere what the page decides first does not wait for a socket.
  const start = page.document && page.setTimeout(() => link.turn(''), 0)
  if (start) for (const type of eventTypes) page.addEventListener(type, onEvent, inFirst(type))

  const flush = (timeoutMs?: number): Promise<boolean> => {
    pump(true)
    return until(page, waiting, isDone, timeoutMs)
  }

  return {
    ready: ({ timeoutMs } = {}) => until(page, waiting, isReady, timeoutMs),
    variant: (user, which?: Which) => decideFor(user, which).variant,
    variants: (user) =>
      Object.fromEntries(Object.keys(ruleset?.rollouts ?? {}).map((of) => [of, decided(user, of).variant])),
    decide: decideFor,
    run: (user, paths, which?: Which) =>
      runPaths({ outcome, now }, decideFor(user, which), paths, typeof which === 'string' ? {} : which),
    outcome,
    track(user, event, trackOptions = {}) {
      safely(() => reports.track(isOther(user, who) ? '' : event, trackOptions))
      wake()
    },
    setUser(user, identity) {
      const next = identify({ user, ...identity }, where)
      if (next.print !== who.print) {
        seal()
        reports.forget()
        held.clear()
        who = next
        load()
        emit('decisions', undefined)
        pump()
      }
      return until(page, waiting, isReady)
    },
    initial: (of = defaultRollout) => decide(options.bootstrap, of, options.user),
    refresh: () => emit('decisions', void held.clear()),
    on: listeners.on,
    status,
    flush: ({ timeoutMs } = {}) => flush(timeoutMs),
    async close({ timeoutMs = 2000 } = {}) {
      await flush(timeoutMs)
      page.clearTimeout(start)
      for (const type of eventTypes) page.removeEventListener(type, onEvent, inFirst(type))
      link.stop()
    },
  }
}
