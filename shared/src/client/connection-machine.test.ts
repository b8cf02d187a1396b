import { describe, expect, it } from 'vitest'
import { backoffMs } from './backoff.ts'
import { initialLink, type LinkEvent, type LinkState, step } from './connection-machine.ts'

const half = (): number => 0.5
const waiting = (failures: number): LinkState => ({ phase: 'waiting', failures })
const opening = (failures: number): LinkState => ({ phase: 'opening', failures })
const open = (failures: number, heardAt: number): LinkState => ({
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
      { ...waiting(1), spreadMs: 8000 },
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
      { ...waiting(1), spreadMs: 8000 },
      { type: 'timer' },
      0,
      { ...opening(1), spreadMs: 8000 },
      [{ type: 'connect' }, { type: 'wait', ms: 10_000 }],
    ],
    [
      'and spreads the next attempt in the same way',
      { ...opening(1), spreadMs: 8000 },
      closed(1006),
      0,
      { ...waiting(2), spreadMs: 8000 },
      [{ type: 'wait', ms: 4000 }],
    ],
    [
      'and one after an attempt that hung',
      { ...opening(5), spreadMs: 8000 },
      { type: 'timer' },
      0,
      { ...waiting(6), spreadMs: 8000 },
      [{ type: 'drop' }, { type: 'wait', ms: 15_000 }],
    ],
    [
      'until it is open',
      { ...opening(5), spreadMs: 8000 },
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
