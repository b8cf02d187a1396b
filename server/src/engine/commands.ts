import { isDeepStrictEqual } from 'node:util'
import type { Issue } from '@pipit/shared/base'
import type { Clock } from '@pipit/shared/clock'
import {
  parseRollout,
  progressOf,
  type RolloutDefinition,
  type RolloutEvent,
  type RolloutState,
  toFile,
  transition,
} from '../rollout/index.ts'
import type { RolloutRecord, Storage, Stores } from '../storage/ports.ts'
import type { ByWhom, PersonEvent, Preview, Problem, Result, RolloutCommands } from './api.ts'
import { firstLook } from './next-look.ts'
import { previewOf } from './preview.ts'
import { addHistory, auditor, emit, recordChange } from './record-change.ts'
import { usersOfRollout } from './references.ts'
import { noRoomFor } from './ruleset-room.ts'

export interface CommandParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly newId: (size?: number) => string
  /** Something was stored that may be due. */
  readonly wake: () => void
}

export const saltLength = 16

/** Raised inside a transaction to roll it back and answer with a problem. */
export class Refused extends Error {
  readonly problem: Problem
  constructor(problem: Omit<Problem, 'ok'>) {
    super(problem.message)
    this.problem = { ok: false, ...problem }
  }
}

/** Runs work in a transaction; a `Refused` rolls back and becomes the answer. */
export async function attempt<T>(storage: Storage, work: (stores: Stores) => Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await storage.transaction(work) }
  } catch (error) {
    if (error instanceof Refused) return error.problem
    throw error
  }
}

/** As `attempt`; what was stored may be due at once. */
export const attempter =
  ({ storage, wake }: Pick<CommandParts, 'storage' | 'wake'>) =>
  async <T>(work: (stores: Stores) => Promise<T>): Promise<Result<T>> => {
    const result = await attempt(storage, work)
    if (result.ok) wake()
    return result
  }

/** The first fault in words, and how many more there are. */
export function issueText(issues: readonly Issue[]): string {
  const [first] = issues
  if (first === undefined) return ''
  const more = issues.length === 1 ? '' : ` (and ${issues.length - 1} more)`
  return `${first.path === '' ? '' : `${first.path} `}${first.message}${more}`
}

export function refuseStale(what: string, stored: number, expected: number | undefined): void {
  if (expected === undefined || expected === stored) return
  throw new Refused({
    code: 'stale-version',
    message: `${what} is at version ${stored} by now, not ${expected}: somebody changed it; read it again and repeat the change`,
  })
}

export async function needEnvironment(stores: Stores, environment: string): Promise<void> {
  if ((await stores.environments.get(environment)) === undefined) {
    throw new Refused({ code: 'not-found', message: `there is no environment "${environment}"` })
  }
}

/** Checks what a definition refers to against what the environment has now. */
async function checkReferences(stores: Stores, environment: string, definition: RolloutDefinition): Promise<void> {
  const cohorts = (await stores.cohorts.list(environment)).map((record) => record.key)
  const metrics = (await stores.metrics.list(environment)).map((record) => record.definition)
  const others = (await stores.rollouts.list(environment)).filter(
    ({ key, state }) => key !== definition.key && state.phase !== 'archived',
  )
  const noRoom = noRoomFor(environment, definition, others)
  if (noRoom !== undefined) throw new Refused(noRoom)
  const rollouts = others.map((record) => record.definition)
  const checked = parseRollout(toFile(definition), { cohorts, metrics, rollouts })
  if (!checked.ok)
    throw new Refused({
      code: 'invalid',
      message: `rollout ${definition.key} cannot be taken as it is: ${issueText(checked.issues)}`,
      issues: checked.issues,
    })
}

/** Without its prerequisite a rollout would be for nobody. */
async function refuseNeeded(stores: Stores, { environment, key }: RolloutRecord): Promise<void> {
  const users = await usersOfRollout(stores, environment, key)
  if (users.length === 0) return
  throw new Refused({
    code: 'in-use',
    message: `rollout ${key} is a prerequisite of ${users.join(', ')}; take it out there first`,
  })
}

function refuseOtherKey({ key }: RolloutRecord, definition: RolloutDefinition): void {
  if (definition.key === key) return
  throw new Refused({
    code: 'invalid',
    message: 'the key of a rollout cannot change',
    issues: [{ path: 'key', message: `must stay "${key}"` }],
  })
}

export function createCommands(parts: CommandParts): RolloutCommands {
  const { storage, clock, newId } = parts
  const attempted = attempter(parts)
  const audit = auditor({ clock, newId })

  async function find(
    stores: Stores,
    environment: string,
    key: string,
    version: number | undefined,
  ): Promise<RolloutRecord> {
    const record = await stores.rollouts.get(environment, key)
    if (record === undefined)
      throw new Refused({ code: 'not-found', message: `there is no rollout "${key}" in ${environment}` })
    refuseStale(`rollout ${key}`, record.version, version)
    return record
  }

  function contextOf(by: ByWhom): { now: number; actor: ByWhom['actor']; reason?: string } {
    return { now: clock.now(), actor: by.actor, ...(by.reason === undefined ? {} : { reason: by.reason }) }
  }

  return {
    create: (environment, definition, by) =>
      attempted(async (stores) => {
        await needEnvironment(stores, environment)
        await checkReferences(stores, environment, definition)
        const context = contextOf(by)
        const record: RolloutRecord = {
          id: newId(),
          environment,
          key: definition.key,
          definition,
          state: { phase: 'draft' },
          version: 1,
          runEpoch: 0,
          createdAt: context.now,
          updatedAt: context.now,
        }
        if (!(await stores.rollouts.insert(record))) {
          throw new Refused({
            code: 'exists',
            message: `there is a rollout "${definition.key}" in ${environment} already; change it with PATCH, or choose another key`,
          })
        }
        const summary = `made by ${by.actor.name}`
        await addHistory(stores, record, record, { event: 'create', context, summary }, newId)
        await audit(stores, environment, 'create', `rollout:${definition.key}`, by, {
          after: { version: 1, definition },
        })
        await emit(stores, environment, definition.key, [{ type: 'publish' }], context.now, newId)
        return record
      }),

    edit: (environment, key, definition, by, version) =>
      attempted(async (stores) => {
        const record = await find(stores, environment, key, version)
        refuseOtherKey(record, definition)
        if (isDeepStrictEqual(definition, record.definition)) return record
        await checkReferences(stores, environment, definition)
        return await change(stores, record, { type: 'edited', before: record.definition }, by, definition)
      }),

    remove: (environment, key, by, version) =>
      attempted(async (stores) => {
        const record = await find(stores, environment, key, version)
        await refuseNeeded(stores, record)
        if (record.state.phase !== 'draft' && record.state.phase !== 'archived') {
          throw new Refused({
            code: 'illegal-in-phase',
            message: `rollout ${key} is ${record.state.phase}: archive it first, then it can be deleted`,
          })
        }
        await stores.rollouts.delete(record.id, record.version)
        await audit(stores, environment, 'delete', `rollout:${key}`, by, {
          before: { version: record.version, definition: record.definition },
        })
        await emit(stores, environment, key, [{ type: 'publish' }], clock.now(), newId)
        return undefined
      }),

    preview: (environment, key, change, by, version) =>
      attempt(
        storage,
        async (stores) => await preview(stores, await find(stores, environment, key, version), change, by),
      ),

    command: (environment, key, event, by, version) =>
      attempted(
        async (stores) => await change(stores, await find(stores, environment, key, version), withSalt(event), by),
      ),
  }

  async function preview(
    stores: Stores,
    record: RolloutRecord,
    change: { readonly definition: RolloutDefinition } | { readonly event: PersonEvent },
    by: ByWhom,
  ): Promise<Preview> {
    const isEdit = 'definition' in change
    const definition = isEdit ? change.definition : record.definition
    if (isEdit) refuseOtherKey(record, definition)
    if (isEdit && isDeepStrictEqual(definition, record.definition))
      return await previewOf(stores, record, definition, { state: record.state, unchanged: true })
    if (isEdit) await checkReferences(stores, record.environment, definition)
    const event: RolloutEvent = isEdit ? { type: 'edited', before: record.definition } : withSalt(change.event)
    if (event.type === 'archive') await refuseNeeded(stores, record)
    const moved = transition(definition, record.state, event, contextOf(by))
    if (!moved.ok) throw new Refused({ code: moved.code, message: moved.message })
    return await previewOf(stores, record, definition, moved)
  }

  function withSalt(event: PersonEvent): RolloutEvent {
    return event.type === 'start' || event.type === 'restart' ? { ...event, salt: newId(saltLength) } : event
  }

  async function change(
    stores: Stores,
    record: RolloutRecord,
    event: RolloutEvent,
    by: ByWhom,
    definition?: RolloutDefinition,
  ): Promise<RolloutRecord> {
    const context = contextOf(by)
    const effective = definition ?? record.definition
    if (event.type === 'archive') await refuseNeeded(stores, record)
    const moved = transition(effective, record.state, event, context)
    if (!moved.ok) throw new Refused({ code: moved.code, message: moved.message })
    if ('unchanged' in moved) return record
    return await recordChange(
      stores,
      record,
      {
        event: event.type,
        context,
        transition: moved,
        ...(definition === undefined ? {} : { definition }),
        newRun: beginsRun(event.type, record.state, moved.state),
        wakeAt: firstLook(effective, moved.state, context.now),
      },
      newId,
    )
  }
}

/** A run begins when users are decided on for the first time, and with every restart. */
export function beginsRun(event: string, before: RolloutState, after: RolloutState): boolean {
  return after.phase === 'running' && (event === 'restart' || progressOf(before) === undefined)
}
