import { describe, expect, it } from 'vitest'
import { createLog } from './log.ts'

function setup(level: 'debug' | 'info' | 'warn' | 'error') {
  const lines: string[] = []
  return {
    log: createLog(
      level,
      (line) => lines.push(line),
      () => Date.UTC(2026, 10, 20),
    ),
    lines,
  }
}

describe('the log', () => {
  it('writes one line with time, level, message and fields', () => {
    const { log, lines } = setup('info')
    log.warn('slow reader', { instance: 'a-1', bytes: 12, why: 'too far behind' })
    expect(lines).toEqual(['2026-11-20T00:00:00.000Z WARN  slow reader instance=a-1 bytes=12 why="too far behind"\n'])
  })

  it('leaves out what is below its level, and fields that are absent', () => {
    const { log, lines } = setup('warn')
    log.info('quiet')
    log.error('loud', { code: undefined })
    expect(lines).toEqual(['2026-11-20T00:00:00.000Z ERROR loud\n'])
  })

  it('lets nobody forge a line', () => {
    const { log, lines } = setup('debug')
    log.debug('a\n2026 ERROR b', { name: 'x\ny' })
    expect(lines[0]?.split('\n')).toEqual(['2026-11-20T00:00:00.000Z DEBUG a 2026 ERROR b name="x\\ny"', ''])
  })
})
