import { type Client, createClientCore } from '@pipit/shared/client'
import type { Clock } from '@pipit/shared/clock'
import type { Ruleset } from '@pipit/shared/rules'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'

/** A client core that decides from a bootstrap. No server, and time stands still if it is not given: nothing but the calls is measured. */
export function benchClient(bootstrap: Ruleset, clock: Clock = createFakeClock()): Client {
  return createClientCore(
    {
      sdk: { name: 'bench', version: '0' },
      clock,
      random: seededRandom(1),
      request: () => new Promise(() => {}),
      log: { warn() {} },
    },
    { url: 'http://127.0.0.1:1', key: 'srv_bench', bootstrap },
  )
}
