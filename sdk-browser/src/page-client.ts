import type { RunOptions } from '@pipit/shared/client'
import type { Decision, User } from '@pipit/shared/decide'
import type { PageRuleset } from '@pipit/shared/protocol'
import type { PageClient, PageClientOptions, PageEventsOf, PageStatus } from './api.ts'
import { decide } from './decide.ts'
import { identify } from './identify.ts'
import { createLink, type Message } from './link.ts'
import { eventTypes, type Page, type PageEvent } from './page.ts'
import { unitOf } from './page-user.ts'
import { createReports } from './reports.ts'
import { nextRuleset, readRuleset } from './rulesets.ts'
import { runPaths, type Which } from './run.ts'
import { sdk } from './version.ts'

type Events = PageEventsOf & { readonly heard: undefined }

/** Reports in one request: the last that was not answered, and what came since, so that a page that ends leaves nothing behind. */
const mostReports = 2

/** The client over a page, real or not. Every method is as `PageClient` says. */
export function createPageClient(options: PageClientOptions, page: Page): PageClient {
  const { url, key, rollout: defaultRollout = '', labels, bootstrap, storage, logger = page.console } = options
  const { random } = page.Math
  const now = (): number => page.performance.now()
  /** Where the ruleset is kept for the next page, and for other tabs. */
  const place = `pipit ${key}`
  const instance = `${random()}${random()}`
  const reports = createReports(now)
  const listeners: { [event: string]: Set<(value: never) => void> } = {}
  const held = new Map<string, Decision>()
  const exposed = new Set<string>()
  /** What is asked again and again costs a look-up. */
  let last: Decision | undefined
  let who = identify(options)
  let ruleset: PageRuleset | undefined
  let source: PageStatus['source'] = 'none'
  let knownAt = 0
  let contactAt = 0
  let lastError: string | undefined

  const on = (event: keyof Events, listener: (value: never) => void): (() => void) => {
    listeners[event] ??= new Set()
    const mine = listeners[event]
    mine.add(listener)
    return () => mine.delete(listener)
  }

  /** `heard`, which is known here alone, tells that anything changed that somebody may wait for. */
  function emit<K extends keyof Events>(event: K, value?: Events[K]): void {
    for (const listener of listeners[event] ?? []) {
      try {
        listener(value as never)
      } catch {
        // A listener that throws is the application's affair.
      }
    }
  }

  /** Kept, told to listeners, and to the logger where it is another than the last. */
  function trouble(code: string, message: string): void {
    if (message !== lastError) logger.warn(`pipit: ${message}`)
    lastError = message
    emit('error', { code, message })
  }

  /** The decision for the page's user, which is kept from the first that is made for them. */
  function own(of: string): Decision {
    const kept = held.get(of)
    const deadmanMs = ruleset?.rollouts[of]?.deadmanMs as number
    const silentMs = deadmanMs && now() - contactAt
    if (kept && !(silentMs >= deadmanMs)) return kept
    const decision = decide(ruleset, of, who.says.user, { random, silentMs })
    if (decision.epoch && decision.reason !== 'deadman') held.set(of, decision)
    return decision
  }

  /** Whether a call is about somebody else. The usual ways to name the page's own user cost a comparison. */
  const isOther = (user: User | undefined): boolean =>
    user !== undefined &&
    user !== who.person &&
    (user as { readonly id?: unknown } | null)?.id !== who.person &&
    unitOf(user) !== who.person

  function decideFor(user: User | undefined, which?: Which): Decision {
    try {
      const of = (typeof which === 'string' ? which : which?.rollout) ?? defaultRollout
      // Of anybody else a page knows nothing.
      const decision = isOther(user) ? decide(undefined, of) : own(of)
      if (decision === last || held.get(of) !== decision) return decision
      last = decision
      const view = `${of} ${decision.epoch}`
      if (!exposed.has(view) && reports.expose(decision)) emit('exposure', decision)
      exposed.add(view)
      return decision
    } catch {
      reports.drop('invalid')
      return decide(undefined, defaultRollout)
    }
  }

  function take(next: PageRuleset, of: PageStatus['source'], ageMs: number): void {
    const before = ruleset?.rollouts ?? {}
    ruleset = next
    source = of
    knownAt = now() - ageMs
    const rollouts = Object.keys({ ...before, ...next.rollouts }).filter(
      (one) => JSON.stringify(before[one]) !== JSON.stringify(next.rollouts[one]),
    )
    // What is kept goes where the page asks for it, or where somebody took the canary back.
    for (const [one, kept] of held) {
      const after = decide(next, one, who.says.user, { random })
      const isLess =
        after.reason === 'phase' || !((next.rollouts[one]?.weight as number) >= (before[one]?.weight as number))
      if (listeners.change?.size || (isLess && after.variant === 'stable')) held.delete(one)
      else if (kept.variant === after.variant) held.set(one, { ...after, payload: kept.payload })
    }
    if (rollouts.length) emit('change', { version: next.version, rollouts })
    emit('decisions')
  }

  /** What the server said before, or to another tab. */
  function load(): void {
    try {
      const [print, at, stored] = JSON.parse(page.localStorage.getItem(place) as string)
      const isNews = !(stored.version <= (ruleset?.version as number))
      // A clock that was set back makes nothing younger than new.
      if (storage !== false && print === who.print && isNews)
        take(readRuleset(stored), 'store', Math.max(0, page.Date.now() - at))
    } catch {
      // Forbidden, damaged, or not there: as if there were nothing.
    }
  }

  const hello = (): object => ({ type: 'hello', protocol: 1, key, sdk, instance, labels, ...who.says })

  function hear(message: Message): void {
    const { code, seq, retry, ruleset: whole, version } = message
    contactAt = now()
    if (seq && !retry) reports.over(seq, code)
    if (code) trouble(code as string, message.message as string)
    if (whole || version) hold(nextRuleset(ruleset, message))
    emit('heard')
  }

  function hold(next: PageRuleset): void {
    link.send({ type: 'applied', version: next.version })
    // Before listeners learn of it: one may change the user, for whom it is not.
    try {
      if (storage !== false) page.localStorage.setItem(place, JSON.stringify([who.print, page.Date.now(), next]))
    } catch {
      // Full or forbidden: the next page asks the server.
    }
    take(next, 'server', 0)
  }

  /** Resolves true as soon as `check` is true, false after a while. */
  const until = (check: () => boolean, { timeoutMs = 5000 }: { readonly timeoutMs?: number } = {}): Promise<boolean> =>
    new Promise((resolve) => {
      const look = (late?: boolean): void => {
        if (!late && !check()) return
        off()
        resolve(check())
      }
      const off = on('heard', look)
      page.setTimeout(() => look(true), timeoutMs)
      look()
    })

  function status(): PageStatus {
    const lastContactMs = contactAt ? now() - contactAt : undefined
    const transport = link.transport()
    return {
      connected: transport !== 'none',
      transport,
      version: ruleset?.version ?? 0,
      source,
      ageMs: source === 'server' ? lastContactMs : ruleset && now() - knownAt,
      lastContactMs,
      pending: reports.pending(),
      dropped: reports.dropped(),
      lastError,
    }
  }

  const link = createLink({
    ...{ page, url, key, hello, hear },
    body(polls) {
      if (reports.queue.length < mostReports) reports.seal(who)
      const told = reports.queue.slice(0, mostReports)
      const type = link.transport() === 'socket' ? 'reports' : 'hello'
      return polls || told.length ? { ...hello(), type, now: now(), reports: told } : undefined
    },
    garbled: () => trouble('bad-message', 'unreadable message'),
    changed: () => emit('status', status()),
  })

  const onEvent = ({ type }: PageEvent): void => {
    if (type === 'storage') load()
    else link.turn(type)
  }

  /** Whatever goes wrong inside stays inside. */
  function safely(call: () => void): void {
    try {
      call()
    } catch {
      reports.drop('invalid')
    }
  }

  const outcome: PageClient['outcome'] = (decision, result) => safely(() => reports.outcome(decision, result))

  if (bootstrap) {
    try {
      // It came with the page: it is as old at least.
      take(readRuleset(bootstrap), 'bootstrap', now())
    } catch {
      trouble('bootstrap', 'unreadable bootstrap')
    }
  } else load()
  // On a server, where pages are only rendered, there is nothing to connect. Elsewhere what the page decides first does not wait for a socket.
  if (page.document) {
    for (const type of eventTypes) page.addEventListener(type, onEvent)
    void Promise.resolve('').then(link.turn)
  }

  const client: PageClient = {
    ready: (waits) => until(() => !!ruleset, waits),
    variant: (user, which?: Which) => decideFor(user, which).variant,
    decide: decideFor,
    run: (user, paths, which?: Which) => runPaths({ outcome, now }, decideFor(user, which), paths, which as RunOptions),
    outcome,
    track: (user, event, trackOptions) =>
      safely(() => {
        if (isOther(user)) throw user
        if (!ruleset || Object.values(ruleset.rollouts).some(({ events }) => events?.includes(event)))
          reports.track(event, trackOptions)
      }),
    setUser(user, identity) {
      const next = identify({ user, ...identity })
      if (next.print !== who.print) {
        reports.seal(who)
        exposed.clear()
        held.clear()
        source = 'none'
        ruleset = undefined
        who = next
        load()
        link.renew()
      }
      return client.ready()
    },
    initial: (of = defaultRollout) => decide(bootstrap, of, options.user),
    refresh() {
      held.clear()
      emit('decisions')
    },
    on,
    status,
    flush(waits) {
      link.post()
      return until(() => !reports.pending(), waits)
    },
    async close(waits) {
      await client.flush(waits)
      for (const type of eventTypes) page.removeEventListener(type, onEvent)
      link.turn('pagehide')
    },
  }
  return client
}
