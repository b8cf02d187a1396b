import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromEngine, HttpProblem, invalid, problemResponse, problemStatuses } from './problem.ts'

describe('problems', () => {
  it('are all in the table of the README, with their status', () => {
    const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8')
    const rows = [...readme.matchAll(/^\| `([\w-]+)` +\| (\d+) +\|/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ])
    expect(Object.fromEntries(rows)).toEqual(problemStatuses)
    expect(rows).toHaveLength(Object.keys(problemStatuses).length)
  })

  it('are RFC 9457 documents', async () => {
    const problem = new HttpProblem('exists', 'there is one', {
      members: { given: 1 },
      headers: { 'retry-after': '5' },
    })
    const response = problemResponse(problem)
    expect(response.status).toBe(409)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toEqual({
      type: 'urn:pipit:problem:exists',
      title: 'Not possible as things stand',
      status: 409,
      code: 'exists',
      detail: 'there is one',
      given: 1,
    })
  })

  it('of a value say the first fault and keep all', () => {
    const problem = invalid([
      { path: 'stages[0].weight', message: 'must be at most 100' },
      { path: 'key', message: 'is missing' },
    ])
    expect(problem.message).toBe('stages[0].weight must be at most 100 (and 1 more, see errors); nothing was changed')
    expect(problem.extras.errors).toHaveLength(2)
  })

  it('of the engine name the field they speak of', () => {
    const refused = { ok: false, code: 'invalid-weight', message: 'no' } as const
    expect(fromEngine(refused).extras.errors).toEqual([{ path: 'weight', message: 'no' }])
    expect(fromEngine({ ...refused, code: 'unknown-variant' }, 'winner').extras.errors).toEqual([
      { path: 'winner', message: 'no' },
    ])
    expect(fromEngine({ ...refused, code: 'not-found' }).extras.errors).toBeUndefined()
  })
})
