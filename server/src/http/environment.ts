import type { MiddlewareHandler } from 'hono'
import type { Storage } from '../storage/ports.ts'
import type { AppEnv } from './context.ts'
import { HttpProblem } from './problem.ts'

/** Finds the environment that `?environment=` names; `production` without it. */
export function requireEnvironment(storage: Pick<Storage, 'environments'>): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const name = c.req.query('environment') ?? 'production'
    const environment = await storage.environments.get(name)
    if (environment === undefined) {
      const known = (await storage.environments.list()).map((record) => record.name).slice(0, 20)
      const message = `there is no environment "${name.slice(0, 64)}"; there are ${known.join(', ') || 'none yet'}`
      throw new HttpProblem('unknown-environment', message, { errors: [{ path: 'environment', message }] })
    }
    c.set('environment', environment)
    await next()
  }
}
