import type { Config } from './config.ts'
import type { Catalog, Result } from './engine/index.ts'
import type { Stores } from './storage/ports.ts'

/** What a first start made. A secret that was given beforehand is not repeated. */
export interface FirstStart {
  readonly made: readonly { readonly what: string; readonly secret: string }[]
  /** Settings that were given but are not known to this database, which is older than they are. */
  readonly unknownPresets: readonly string[]
}

const engine = { actor: { kind: 'engine', name: 'pipit' }, reason: 'first start' } as const

/**
 * On an empty database makes the environment `production` with a server and a web key, and an admin token. The token is the last step
 * and marks the end: a start that was cut off half-way is completed by the next.
 */
export async function firstStart(
  storage: Pick<Stores, 'environments' | 'keys'>,
  catalog: Pick<Catalog, 'createEnvironment' | 'createKey'>,
  presets: Config['presets'],
  hashKey: (secret: string) => string,
): Promise<FirstStart> {
  const isUnknown = async (secret: string | undefined): Promise<boolean> =>
    secret !== undefined && (await storage.keys.findByHash(hashKey(secret))) === undefined
  const keys = await storage.keys.list()
  if (keys.some((key) => key.kind === 'adm')) {
    const given = [
      ['PIPIT_ADMIN_TOKEN', presets.adminToken],
      ['PIPIT_SERVER_KEY', presets.serverKey],
      ['PIPIT_WEB_KEY', presets.webKey],
    ] as const
    const unknownPresets: string[] = []
    for (const [name, secret] of given) if (await isUnknown(secret)) unknownPresets.push(name)
    return { made: [], unknownPresets }
  }
  const made: { what: string; secret: string }[] = []
  const environment = 'production'
  if ((await storage.environments.get(environment)) === undefined) {
    settled(await catalog.createEnvironment(environment, engine))
  }
  for (const [kind, what, preset] of [
    ['srv', 'server key', presets.serverKey],
    ['web', 'web key', presets.webKey],
  ] as const) {
    if (preset === undefined) await revokeUnfinished(keys, kind)
    else if (!(await isUnknown(preset))) continue
    const key = { kind, environment, name: what, ...(preset === undefined ? {} : { secret: preset }) }
    const { secret } = settled(await catalog.createKey(key, engine))
    if (preset === undefined) made.push({ what, secret })
  }
  const token = presets.adminToken === undefined ? {} : { secret: presets.adminToken }
  const { secret } = settled(await catalog.createKey({ kind: 'adm', role: 'admin', name: 'admin', ...token }, engine))
  if (presets.adminToken === undefined) made.push({ what: 'admin token', secret })
  return { made, unknownPresets: [] }

  /** A key that an unfinished first start made was never seen by anybody. */
  async function revokeUnfinished(known: typeof keys, kind: 'srv' | 'web'): Promise<void> {
    for (const key of known) if (key.kind === kind) await storage.keys.revoke(key.id, key.createdAt)
  }
}

function settled<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw new Error(`the first start could not be finished: ${result.message}`)
}

/** The block that the first start prints, once. */
export function firstStartText(url: string, made: FirstStart['made']): string {
  const rows = [['page', `${url}/`] as const, ...made.map(({ what, secret }) => [what, secret] as const)]
  const lines = rows.map(([name, value]) => `    ${name.padEnd(12)} ${value}`)
  return ['', '  First start. Keep these: they are shown this once.', '', ...lines, ''].join('\n')
}
