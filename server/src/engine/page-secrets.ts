import type { EnvironmentRecord } from '../storage/ports.ts'
import type { ByWhom, Catalog, Publisher, Result } from './api.ts'
import { attempt, type CommandParts, needEnvironment } from './commands.ts'
import { auditor } from './record-change.ts'

/** As long as the hash it is used with. */
const secretLength = 43

/**
 * Whether pages must prove who their users are, and by what. A change holds at once: pages that are open greet again. The secret is never in
 * the audit.
 */
export function createPageSecrets(
  parts: CommandParts & { readonly publisher: Publisher },
): Pick<Catalog, 'requireUserHash' | 'rotatePageSecret'> {
  const { storage, newId, publisher } = parts
  const audit = auditor(parts)
  const newSecret = (): string => newId(secretLength)

  async function greetedAnew<T>(name: string, result: Result<T>): Promise<Result<T>> {
    if (result.ok) publisher.greetPagesAgain(name)
    return result
  }

  return {
    async requireUserHash(name: string, userHash: EnvironmentRecord['userHash'], by: ByWhom) {
      let isChanged = false
      const result = await attempt(storage, async (stores) => {
        await needEnvironment(stores, name)
        const before = (await stores.environments.get(name)) as EnvironmentRecord
        if (before.userHash === userHash) return before
        isChanged = true
        const secret = before.pageSecret === undefined ? { pageSecret: newSecret() } : {}
        await stores.environments.setPages(name, { userHash, ...secret })
        const images = { before: { userHash: before.userHash }, after: { userHash } }
        await audit(stores, name, 'edit', `environment:${name}`, by, images)
        return (await stores.environments.get(name)) as EnvironmentRecord
      })
      return isChanged ? greetedAnew(name, result) : result
    },

    async rotatePageSecret(name: string, by: ByWhom) {
      const result = await attempt(storage, async (stores) => {
        await needEnvironment(stores, name)
        const secret = newSecret()
        await stores.environments.setPages(name, { pageSecret: secret })
        await audit(stores, name, 'rotate', `page-secret:${name}`, by, {})
        return { record: (await stores.environments.get(name)) as EnvironmentRecord, secret }
      })
      return greetedAnew(name, result)
    },
  }
}
