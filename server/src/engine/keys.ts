import { createHash } from 'node:crypto'
import type { Issue } from '@pipit/shared/base'
import type { KeyRecord } from '../storage/ports.ts'
import type { ByWhom, Catalog, Publisher, Result } from './api.ts'
import { attempt, type CommandParts, issueText, needEnvironment, Refused } from './commands.ts'
import { auditor } from './record-change.ts'

/** What makes a key: `srv_` and 32 random characters. */
const secretLength = 32

/** Keys are stored as hashes: whoever reads the database cannot use them. */
export function hashKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

export function createKeys(
  parts: CommandParts & { readonly publisher: Publisher },
): Pick<Catalog, 'createKey' | 'revokeKey'> {
  const { storage, clock, newId, publisher } = parts
  const audit = auditor(parts)

  return {
    createKey: (wish, by) =>
      attempt(storage, async (stores) => {
        const issues = keyIssues(wish)
        if (issues.length > 0) {
          throw new Refused({ code: 'invalid', message: `the key was not made: ${issueText(issues)}`, issues })
        }
        const { kind, environment, role, name, origins } = wish
        if (environment !== undefined) await needEnvironment(stores, environment)
        const secret = wish.secret ?? `${kind}_${newId(secretLength)}`
        const hash = hashKey(secret)
        if ((await stores.keys.findByHash(hash)) !== undefined)
          throw new Refused({ code: 'exists', message: 'this key is in use already' })
        const record: KeyRecord = {
          id: newId(),
          ...(environment === undefined ? {} : { environment }),
          kind,
          ...(role === undefined ? {} : { role }),
          name,
          hash,
          hint: secret.slice(0, 8),
          ...(origins === undefined ? {} : { origins: [...new Set(origins)] }),
          createdAt: clock.now(),
        }
        await stores.keys.insert(record)
        await audit(stores, environment, 'create', `key:${record.id}`, by, { after: shown(record) })
        return { record, secret }
      }),

    async revokeKey(id: string, by: ByWhom): Promise<Result<undefined>> {
      const result = await attempt(storage, async (stores) => {
        const record = (await stores.keys.list()).find((key) => key.id === id)
        if (record === undefined) throw new Refused({ code: 'not-found', message: `there is no key "${id}"` })
        if (record.revokedAt !== undefined) return undefined
        const now = clock.now()
        await stores.keys.revoke(id, now)
        const images = { before: shown(record), after: { ...shown(record), revokedAt: now } }
        await audit(stores, record.environment, 'revoke', `key:${id}`, by, images)
        return undefined
      })
      // Also where it was revoked before: a socket that was overlooked closes now.
      if (result.ok) publisher.disconnect(id)
      return result
    },
  }
}

const shown = ({ kind, name, role, hint, origins }: KeyRecord): object => ({
  kind,
  name,
  hint,
  ...(role === undefined ? {} : { role }),
  ...(origins === undefined ? {} : { origins }),
})

/** A preset secret must not be guessable, and says its kind so that nobody takes one for another. */
function keyIssues({ kind, environment, role, name, secret, origins }: Parameters<Catalog['createKey']>[0]): Issue[] {
  const issues: Issue[] = []
  if (name.trim() === '' || name.length > 128) issues.push({ path: 'name', message: 'must have 1 to 128 characters' })
  if (kind === 'adm' && role === undefined)
    issues.push({ path: 'role', message: 'must be viewer, operator, editor or admin' })
  if (kind === 'adm' && environment !== undefined)
    issues.push({ path: 'environment', message: 'is not for adm keys: they hold for all environments' })
  if (kind !== 'adm' && environment === undefined)
    issues.push({ path: 'environment', message: 'must name the environment of the key' })
  if (kind !== 'adm' && role !== undefined) issues.push({ path: 'role', message: 'is for adm keys only' })
  if (secret !== undefined && !(secret.startsWith(`${kind}_`) && /^[\x21-\x7e]{20,204}$/.test(secret)))
    issues.push({ path: 'secret', message: `must begin with ${kind}_ and have 20 to 204 characters, no spaces` })
  if (origins !== undefined) issues.push(...originIssues(kind, origins))
  return issues
}

const maxOrigins = 50

function originIssues(kind: KeyRecord['kind'], origins: readonly string[]): Issue[] {
  if (kind !== 'web') return [{ path: 'origins', message: 'is for web keys only' }]
  if (origins.length === 0 || origins.length > maxOrigins)
    return [{ path: 'origins', message: `must name 1 to ${maxOrigins} origins; leave it out for any` }]
  return origins.flatMap((origin, i) =>
    isOrigin(origin)
      ? []
      : [{ path: `origins[${i}]`, message: 'must be an origin such as https://shop.example, no path' }],
  )
}

/** As browsers send it: lower case, without a path or a usual port. */
function isOrigin(text: string): boolean {
  try {
    return /^https?:/.test(text) && new URL(text).origin === text
  } catch {
    return false
  }
}
