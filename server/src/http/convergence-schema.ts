import { z } from '@hono/zod-openapi'

const laggardSchema = z.object({
  instance: z.string(),
  version: z.number().meta({ description: 'The newest that it confirmed; 0 for none' }),
  sinceMs: z.number(),
})

export const convergenceSchema = z
  .object({
    version: z.number(),
    publishedAt: z.number().meta({ description: 'Epoch milliseconds' }),
    complete: z.boolean().meta({ description: 'Everybody who is known to run has confirmed it' }),
    instances: z.number().meta({ description: 'Who applied it, who is behind, and who is not reached' }),
    applied: z.number(),
    p50Ms: z.number().optional(),
    p99Ms: z.number().optional(),
    lastMs: z.number().optional(),
    behind: z.array(laggardSchema).readonly().meta({
      description: 'Connected and without it, at most 100; sinceMs is how long a newer version has waited for it',
    }),
    unreached: z.array(laggardSchema).readonly().meta({
      description: 'Hung up before it confirmed this and may still run, at most 100; sinceMs is how long it is gone',
    }),
    unreachedCount: z.number(),
    givenUp: z.number().meta({ description: 'Not reached for so long that they are taken for ended' }),
    pages: z
      .object({ connected: z.number(), applied: z.number() })
      .optional()
      .meta({ description: 'Pages that are open, of the newest version alone; the other figures are of servers' }),
  })
  .meta({ id: 'Convergence' })
