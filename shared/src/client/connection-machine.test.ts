import { describe, expect, it } from 'vitest'
import { backoffMs } from './backoff.ts'
import { initialLink, type LinkEvent, type LinkState, step } from './connection-machine.ts'

const half = (): number => 0.5
type Phase<P extends LinkState['phase']> = Extract<LinkState, { phase: P }>
const waiting = (failures: number, spreadMs?: number): Phase<'waiting'> => ({
  ...{ phase: 'waiting', failures },
  ...(spreadMs === undefined ? {} : { spreadMs }),
})
const opening = (failures: number, spreadMs?: number): Phase<'opening'> => ({
  ...{ phase: 'opening', failures },
  ...(spreadMs === undefined ? {} : { spreadMs }),
})
const open = (failures: number, heardAt: number): Phase<'open'> => ({
  phase: 'open',
  failures,
  heardAt,
  heartbeatMs: 15_000,
})
const closed = (code: number, reason = ''): LinkEvent => ({ type: 'closed', code, reason })

describe('the connection machine', () => {
  it.each<[string, LinkState, LinkEvent, number, LinkState, readonly object[]]>([
    [
      'connects when its wait is over',
      initialLink,
      { type: 'timer' },
      0,
      opening(0),
      [{ type: 'connect' }, { type: 'wait', ms: 10_000 }],
    ],
    [
      'greets when the socket opens',
      opening(2),
      { type: 'opened' },
      5,
      open(2, 5),
      [{ type: 'hello' }, { type: 'wait', ms: 15_000 }],
    ],
    ['waits longer after each failure', opening(2), closed(1006), 0, waiting(3), [{ type: 'wait', ms: 2000 }]],
    [
      'gives up an attempt that hangs',
      opening(0),
      { type: 'timer' },
      0,
      waiting(1),
      [{ type: 'drop' }, { type: 'wait', ms: 500 }],
    ],
    [
      'starts from the shortest wait again once the server has spoken',
      open(4, 0),
      { type: 'heard' },
      9,
      open(0, 9),
      [],
    ],
    [
      'takes the heartbeat it is told',
      open(0, 0),
      { type: 'heard', heartbeatMs: 5000 },
      9,
      { phase: 'open', failures: 0, heardAt: 9, heartbeatMs: 5000 },
      [{ type: 'wait', ms: 5000 }],
    ],
    [
      'pings once a heartbeat',
      open(0, 0),
      { type: 'timer' },
      15_000,
      open(0, 0),
      [{ type: 'ping' }, { type: 'wait', ms: 15_000 }],
    ],
    [
      'drops a server that was silent for three',
      open(0, 0),
      { type: 'timer' },
      45_000,
      waiting(1),
      [{ type: 'drop' }, { type: 'wait', ms: 500 }],
    ],
    [
      'spreads its return as a server that goes away asks',
      open(0, 0),
      closed(1001, '8000'),
      0,
      waiting(1, 8000),
      [{ type: 'wait', ms: 4000 }],
    ],
    [
      'comes back slowly to a server that refuses its key',
      opening(0),
      closed(4401),
      0,
      waiting(1),
      [{ type: 'wait', ms: 165_000 }],
    ],
    [
      'comes back when a server that has too much to do says, and does not count it as a failure',
      opening(2),
      closed(1013, '4000'),
      0,
      waiting(2),
      [{ type: 'wait', ms: 6000 }],
    ],
    [
      'waits a minute or two at most for such a server',
      opening(0),
      closed(1013, '9999999'),
      0,
      waiting(0),
      [{ type: 'wait', ms: 90_000 }],
    ],
    [
      'takes it for a failure where it says nothing',
      opening(0),
      closed(1013),
      0,
      waiting(1),
      [{ type: 'wait', ms: 500 }],
    ],
    [
      'keeps to that spread while the server is not back',
      waiting(1, 8000),
      { type: 'timer' },
      0,
      opening(1, 8000),
      [{ type: 'connect' }, { type: 'wait', ms: 10_000 }],
    ],
    [
      'and spreads the next attempt in the same way',
      opening(1, 8000),
      closed(1006),
      0,
      waiting(2, 8000),
      [{ type: 'wait', ms: 4000 }],
    ],
    [
      'and one after an attempt that hung',
      opening(5, 8000),
      { type: 'timer' },
      0,
      waiting(6, 8000),
      [{ type: 'drop' }, { type: 'wait', ms: 15_000 }],
    ],
    [
      'until it is open',
      opening(5, 8000),
      { type: 'opened' },
      7,
      open(5, 7),
      [{ type: 'hello' }, { type: 'wait', ms: 15_000 }],
    ],
    ['stops from anywhere', open(0, 0), { type: 'stop' }, 0, { phase: 'stopped' }, [{ type: 'drop' }]],
    ['stays stopped', { phase: 'stopped' }, { type: 'timer' }, 0, { phase: 'stopped' }, []],
    ['hears nothing while it waits', waiting(1), { type: 'heard' }, 0, waiting(1), []],
  ])('%s', (_name, state, event, now, next, effects) => {
    expect(step(state, event, now, half)).toEqual({ state: next, effects })
  })
})

describe('every state of the connection machine', () => {
  const states: readonly LinkState[] = [
    waiting(0),
    waiting(3),
    waiting(1, 8000),
    opening(0),
    opening(7),
    opening(1, 8000),
    open(0, 0),
    open(4, 100_000),
    { ...open(0, 99_000), heartbeatMs: 1000 },
    { phase: 'stopped' },
  ]
  const events: readonly LinkEvent[] = [
    { type: 'timer' },
    { type: 'opened' },
    { type: 'heard' },
    { type: 'heard', heartbeatMs: 1000 },
    ...[1000, 1001, 1006, 1013, 4400, 4401, 4408, 4413].flatMap((code) => [
      closed(code),
      closed(code, '5000'),
      closed(code, 'not a number'),
    ]),
    { type: 'stop' },
  ]
  const now = 100_000
  const name = (value: object): string => JSON.stringify(value).replaceAll('"', '')
  const table = states.flatMap((state) => events.map((event) => [name(state), name(event), state, event] as const))

  /** Where each event may lead that belongs to the state; all others change nothing. */
  const goes: { readonly [phase: string]: { readonly [type: string]: readonly LinkState['phase'][] } } = {
    waiting: { timer: ['opening'], stop: ['stopped'] },
    opening: { opened: ['open'], timer: ['waiting'], closed: ['waiting'], stop: ['stopped'] },
    open: { heard: ['open'], timer: ['open', 'waiting'], closed: ['waiting'], stop: ['stopped'] },
    stopped: { stop: ['stopped'] },
  }
  const failuresOf = (state: LinkState): number => (state.phase === 'stopped' ? 0 : state.failures)
  const isBusy = (event: LinkEvent): boolean =>
    event.type === 'closed' && event.code === 1013 && event.reason === '5000'

  it.each(table)('%s, %s', (_state, _event, state, event) => {
    const { state: next, effects } = step(state, event, now, half)
    const allowed = goes[state.phase]?.[event.type]
    if (allowed === undefined) {
      expect({ next, effects }).toEqual({ next: state, effects: [] })
      return
    }
    const path = `${state.phase} ${event.type} ${next.phase}`
    expect(allowed).toContain(next.phase)
    // A timer that leads on from each new state, and never more than one.
    const waits = effects.flatMap((effect) => (effect.type === 'wait' ? [effect.ms] : []))
    const isNew = next.phase !== state.phase && next.phase !== 'stopped'
    expect(waits.length).toBeGreaterThanOrEqual(Number(isNew || path === 'open timer open'))
    expect(waits.length).toBeLessThanOrEqual(1)
    for (const ms of waits) expect(ms >= 0 && ms <= 10_000_000).toBe(true)
    // A socket is made where there is none, greets once, and is let go of by whoever gives it up.
    const types = effects.map(({ type }) => type).filter((type) => type !== 'wait')
    const expected: { readonly [path: string]: string } = {
      'waiting timer opening': 'connect',
      'opening opened open': 'hello',
      'open timer open': 'ping',
      'opening timer waiting': 'drop',
      'open timer waiting': 'drop',
    }
    const only = next.phase === 'stopped' ? 'drop' : expected[path]
    expect(types).toEqual(only === undefined ? [] : [only])
  })

  it.each(table)('counts failures: %s, %s', (_state, _event, state, event) => {
    const { state: next } = step(state, event, now, half)
    if (next.phase === 'stopped') return
    const isLost = next.phase === 'waiting' && state.phase !== 'waiting' && !isBusy(event)
    const isHeard = state.phase === 'open' && event.type === 'heard'
    expect(failuresOf(next)).toBe(isHeard ? 0 : failuresOf(state) + Number(isLost))
  })
})

describe('backoff', () => {
  it.each([
    [0, 1000],
    [1, 2000],
    [4, 16_000],
    [5, 30_000],
    [1000, 30_000],
  ])('after %i failures is below %i ms, evenly', (failures, ceiling) => {
    expect(backoffMs(failures, () => 0)).toBe(0)
    expect(backoffMs(failures, half)).toBe(ceiling / 2)
    expect(backoffMs(failures, () => 0.999_999)).toBeLessThan(ceiling)
  })
})
