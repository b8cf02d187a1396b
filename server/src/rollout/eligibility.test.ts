import { describe, expect, it } from 'vitest'
import type { RolloutDefinition } from './definition.ts'
import { toFile } from './file.ts'
import { parseRollout } from './parse.ts'

const full = { name: 'full', weight: 100 }
const purchase = { key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase' }

function definitionOf(changes: object): RolloutDefinition {
  const parsed = parseRollout({ key: 'this', stages: [full], ...changes })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

/** Faults as `path message`. */
function faults(changes: object, others: readonly object[] = []): readonly string[] {
  const rollouts = others.map((other) => definitionOf(other))
  const parsed = parseRollout({ key: 'this', stages: [full], ...changes }, { cohorts: [], metrics: [], rollouts })
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path} ${message}`)
}

describe('who may take part', () => {
  it('is kept by the file', () => {
    const people = {
      unit: ['account.id', 'id'],
      prerequisites: [{ rollout: 'base' }, { rollout: 'other', variant: 'canary' }],
      layer: { name: 'search', from: 0, to: 33.333 },
    }
    const definition = definitionOf(people)
    expect(definition).toMatchObject(people)
    expect(parseRollout(toFile(definition))).toEqual({ ok: true, definition })
    expect(definitionOf({ assign: 'unit', prerequisites: [] })).toEqual(definitionOf({}))
  })

  it.each<[string, object, readonly object[], RegExp]>([
    [
      'a rollout that is not there',
      { prerequisites: [{ rollout: 'bas' }] },
      [{ key: 'base' }],
      /^prerequisites\[0\]\.rollout there is no rollout "bas".*did you mean "base"\?/,
    ],
    ['itself', { prerequisites: [{ rollout: 'this' }] }, [], /this rollout itself/],
    [
      'the same twice',
      { prerequisites: [{ rollout: 'base' }, { rollout: 'base', variant: 'canary' }] },
      [{ key: 'base' }],
      /^prerequisites\[1\]\.rollout/,
    ],
    [
      'a variant it does not have',
      { prerequisites: [{ rollout: 'base', variant: 'b' }] },
      [{ key: 'base' }],
      /"b" is no variant of base; it has stable, canary/,
    ],
    ['stable', { prerequisites: [{ rollout: 'base', variant: 'stable' }] }, [{ key: 'base' }], /nearly everybody has/],
    [
      'one that deals out requests',
      { prerequisites: [{ rollout: 'base' }] },
      [{ key: 'base', assign: 'request' }],
      /deals out each request/,
    ],
    [
      'a circle',
      { prerequisites: [{ rollout: 'a' }] },
      [
        { key: 'a', prerequisites: [{ rollout: 'b' }] },
        { key: 'b', prerequisites: [{ rollout: 'this' }] },
      ],
      /^prerequisites go round in a circle: this → a → b → this/,
    ],
    [
      'a chain of ten',
      { prerequisites: [{ rollout: 'r0' }] },
      Array.from({ length: 10 }, (_, i) => ({ key: `r${i}`, prerequisites: i < 9 ? [{ rollout: `r${i + 1}` }] : [] })),
      /more than 8 rollouts/,
    ],
  ])('refuses as a prerequisite %s', (_what, changes, others, message) => {
    expect(faults(changes, others).join('\n')).toMatch(message)
  })

  it('takes a chain of eight, and a diamond', () => {
    const chain = Array.from({ length: 8 }, (_, i) => ({
      key: `r${i}`,
      prerequisites: i < 7 ? [{ rollout: `r${i + 1}` }] : [],
    }))
    expect(faults({ prerequisites: [{ rollout: 'r0' }] }, chain)).toEqual([])
    const diamond = [
      { key: 'a', prerequisites: [{ rollout: 'c' }] },
      { key: 'b', prerequisites: [{ rollout: 'c' }] },
      { key: 'c' },
    ]
    expect(faults({ prerequisites: [{ rollout: 'a' }, { rollout: 'b' }] }, diamond)).toEqual([])
  })

  it('looks at each prerequisite no oftener than at each place of a chain, however many ways lead there', () => {
    const level = (n: number) => Array.from({ length: 10 }, (_, i) => ({ rollout: `l${n}n${i}` }))
    const others = Array.from({ length: 70 }, (_, i) => {
      const n = Math.floor(i / 10)
      return { key: `l${n}n${i % 10}`, prerequisites: n === 0 ? [] : level(n - 1) }
    })
    expect(faults({ prerequisites: level(6) }, others)).toEqual([
      expect.stringMatching(
        /^prerequisites make each decision about this take 11111110 about others; at most 100 are taken/,
      ),
    ])
    expect(faults({ prerequisites: level(0) }, others.slice(0, 10))).toEqual([])
    expect(faults({ prerequisites: level(0).slice(0, 9) }, others.slice(0, 10))).toEqual([])
    const below = [{ key: 'below', prerequisites: [{ rollout: 'low' }] }, { key: 'low' }]
    const longer = others.map((other, i) => (i < 10 ? { ...other, prerequisites: [{ rollout: 'below' }] } : other))
    expect(faults({ prerequisites: level(6) }, [...longer, ...below]).join()).toMatch(/more than 8 rollouts/)
  })

  it('keeps what others ask of this rollout', () => {
    const dependent = { key: 'next', prerequisites: [{ rollout: 'this', variant: 'b' }] }
    expect(faults({}, [dependent])).toEqual(['variants must keep "b": it is a prerequisite of rollout next'])
    expect(faults({ assign: 'request' }, [dependent]).join()).toMatch(/^assign cannot be request/)
  })
})

describe('a layer', () => {
  const layer = (from: number, to: number) => ({ layer: { name: 'search', from, to } })
  const others = [
    { key: 'a', ...layer(0, 20) },
    { key: 'b', ...layer(50, 70) },
    { key: 'c', layer: { name: 'cart', from: 0, to: 100 } },
  ]

  it('has parts that do not overlap', () => {
    expect(faults(layer(20, 50), others)).toEqual([])
    expect(faults(layer(10, 60), others)).toEqual([
      'layer 10 to 60 % of "search" overlaps 0 to 20 % of a, 50 to 70 % of b; free: 20 to 50 %, 70 to 100 %',
    ])
    expect(faults(layer(0, 1), [{ key: 'a', ...layer(0, 100) }]).join()).toMatch(/nothing is free/)
    expect(faults(layer(5, 5)).join()).toMatch(/^layer\.to is 5; it must be more than from/)
  })

  it('has one unit', () => {
    expect(faults({ ...layer(20, 50), unit: 'account' }, others).join()).toMatch(
      /^unit is account, but rollout a of layer "search" assigns id/,
    )
  })
})

describe('dealing out requests', () => {
  it('asks for no units', () => {
    expect(definitionOf({ assign: 'request', stages: [{ name: 'five', weight: 5 }, full] }).stages[0]?.minUnits).toBe(0)
  })

  it('refuses what needs units', () => {
    const wrong = {
      assign: 'request',
      unit: 'account',
      layer: { name: 'l', from: 0, to: 1 },
      unitSample: 0.5,
      metrics: [purchase],
      guards: [
        { metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' },
        { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
      ],
      gates: [{ metric: 'purchase', noWorseThan: { relative: 0.98 } }],
    }
    const paths = faults(wrong).map((fault) => fault.split(' ')[0])
    expect(paths).toEqual(['unit', 'layer', 'unitSample', 'guards[0].metric', 'gates[0].metric'])
  })
})
