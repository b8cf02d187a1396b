/**
 * Random schedules: real parts of the server on a real file, real client cores, a network and a time that do whatever the seed says. Connections
 * are cut, go silent, damage, repeat and reorder frames; the server is killed; the disk is full or read-only; clocks jump by an hour; people
 * change weights. At the end what the database holds is what the applications did. `SCHEDULE=<seed>` repeats one.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import '../support/provided.ts'
import { runSchedule } from './run-schedule.ts'

/** No power fails here: a disk in memory is as good, and a thousand schedules are done in minutes. */
const disk = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

async function hold(seed: number): Promise<readonly string[]> {
  const directory = mkdtempSync(join(disk, 'pipit-schedule-'))
  try {
    const facts = await runSchedule(seed, join(directory, 'pipit.db'))
    const where = `seed ${seed}: ${facts.faults.join(', ')}`
    expect(Object.keys(facts.told).length, where).toBe(4)
    expect(facts.stored, where).toEqual(facts.told)
    expect(facts.exposed.stored, where).toBe(facts.exposed.told)
    expect(facts.buyers.stored, where).toBe(facts.buyers.told)
    for (const dropped of facts.dropped)
      expect(dropped, where).toEqual({ outcomes: 0, exposures: 0, events: 0, invalid: 0 })
    for (const epochs of Object.values(facts.epochs)) {
      const begun = epochs.filter((epoch) => epoch > 0)
      expect(begun, where).toEqual([...new Set(begun)].sort((a, b) => a - b))
    }
    expect(facts.versions, where).toEqual(facts.versions.map(() => facts.version))
    return facts.faults
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

describe('random schedules', () => {
  it('lose nothing that was acknowledged, count nothing twice, and make every transition once', async () => {
    const given = process.env.SCHEDULE
    const first = given === undefined ? Math.floor(Math.random() * 1e9) : Number(given)
    const count = given === undefined ? inject('schedules') : 1
    console.info(`schedules: ${count} from seed ${first}`)
    const tally: Record<string, number> = {}
    for (let i = 0; i < count; i++) for (const fault of await hold(first + i)) tally[fault] = (tally[fault] ?? 0) + 1
    console.info(`schedules: ${JSON.stringify(tally)}`)
  })
})
