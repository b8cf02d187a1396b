import type { World } from './traffic.ts'

/** Set-up A of the published figures: 400 requests a second, 20 000 users, 1 % errors, log-normal latency. */
const harmless: World = {
  requestsPerTick: 2000,
  users: 20_000,
  errors: { stable: 0.01, canary: 0.01 },
  latency: { medianMs: 40, sigma: 0.6, canaryFactor: 1 },
  conversion: { stable: 0.002, canary: 0.002 },
}

export const worlds = {
  harmless,
  doubledErrors: { ...harmless, errors: { stable: 0.01, canary: 0.02 } },
  slower: { ...harmless, latency: { ...harmless.latency, canaryFactor: 1.5 } },
  sellsLess: { ...harmless, conversion: { stable: 0.002, canary: 0.0014 } },
} satisfies { readonly [name: string]: World }
