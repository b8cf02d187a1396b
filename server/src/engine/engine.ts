import type { Clock } from '@pipit/shared/clock'
import type { Storage } from '../storage/ports.ts'
import type { Engine, Notifier, Publisher } from './api.ts'
import { createCatalog } from './catalog.ts'
import { createCommands } from './commands.ts'
import { createLooks } from './looks.ts'
import type { MemberLists } from './member-lists.ts'
import { createOutbox } from './outbox.ts'
import type { PumpParts } from './pump.ts'
import { asSteadyClock } from './steady-clock.ts'

export interface EngineParts extends PumpParts {
  readonly storage: Storage
  readonly publisher: Publisher
  readonly notifier: Notifier
  /** Told of changes of members: those that the ruleset is made of. */
  readonly memberLists: MemberLists
  /** Share one `createSteadyClock` with ingest; a plain clock is made steady for the engine alone. */
  readonly clock: Clock
  /** A fresh random text of letters, digits, `_` and `-`; 21 characters unless told. Keys and salts are made of it. */
  readonly newId: (size?: number) => string
}

/**
 * Drives rollouts: people's changes, looks at rollouts by clock and evidence, and the outbox. It knows nothing that storage does not
 * hold, so that it may stop at any point and another may go on; two on one storage do no harm.
 */
export function createEngine(given: EngineParts): Engine {
  const parts = { ...given, clock: asSteadyClock(given.clock) }
  const outbox = createOutbox(parts)
  const looks = createLooks({ ...parts, looked: () => outbox.wake() })

  function wake(): void {
    looks.wake()
    outbox.wake()
  }

  return {
    ...createCommands({ ...parts, wake }),
    ...createCatalog({ ...parts, wake }),
    start() {
      looks.start()
      outbox.start()
    },
    async stop() {
      await looks.stop()
      await outbox.stop()
    },
    wake,
    async idle() {
      await looks.idle()
      await outbox.idle()
    },
  }
}
