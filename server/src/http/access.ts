import type { Context, MiddlewareHandler } from 'hono'
import type { Role } from '../storage/ports.ts'
import type { Authenticate } from './authenticate.ts'
import type { AppEnv } from './context.ts'
import { HttpProblem } from './problem.ts'

/** From least to most: each may do all that those before it may. */
export const roles = ['viewer', 'operator', 'editor', 'admin'] as const satisfies readonly Role[]

/** True where `role` may do what asks for `needed`. */
export function mayAct(role: Role | undefined, needed: Role): boolean {
  return role !== undefined && roles.indexOf(role) >= roles.indexOf(needed)
}

/** The token of an `Authorization: Bearer` header. */
export function bearer(header: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]+) *$/i.exec(header ?? '')?.[1]
}

/** Lets through who has a valid admin token of at least this role, and keeps the token for the handler. */
export function requireRole(authenticate: Authenticate, needed: Role): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const secret = bearer(c.req.header('authorization'))
    if (secret === undefined) throw unauthorized('send an admin token as `Authorization: Bearer adm_…`')
    const token = await authenticate(secret)
    if (token === undefined)
      throw unauthorized('this token is not known here, or was revoked; ask an admin for another')
    if (token.kind !== 'adm') {
      throw unauthorized(`this is a ${token.kind}_ key, which is for SDKs; the API takes admin tokens (adm_…)`)
    }
    if (!mayAct(token.role, needed)) {
      throw new HttpProblem(
        'forbidden',
        `this needs the role ${needed}; the token "${token.name}" is ${token.role ?? 'of no role'}`,
      )
    }
    c.set('token', token)
    await next()
  }
}

function unauthorized(advice: string): HttpProblem {
  return new HttpProblem('unauthorized', advice, {
    errors: [{ path: 'Authorization', message: advice }],
    headers: { 'www-authenticate': 'Bearer realm="pipit"' },
  })
}

/** Who acts, for history and audit. */
export function actorOf(c: Context<AppEnv>): { readonly kind: 'person'; readonly name: string } {
  return { kind: 'person', name: c.get('token').name }
}
