import { type ClientOptions, nearest } from '@pipit/shared/client'

export interface NodeClientOptions extends ClientOptions {
  /**
   * Folder in which the last ruleset is kept, so that a process that starts while the server is away decides as before. Default: a
   * folder of this user's under the system's temporary directory. `false` keeps nothing.
   */
  readonly cacheDir?: string | false
}

const names = [
  'url',
  'key',
  'rollout',
  'bootstrap',
  'labels',
  'logger',
  'maxPendingEvents',
  'maxRememberedUnits',
  'cacheDir',
]

/** Faults of a program, as opposed to faults of a network: these are thrown, once, where the program is written. */
export function checkOptions(options: NodeClientOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('createClient({ url, key }): no options were given')
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue
    const meant = nearest(name, names)
    throw new TypeError(
      `createClient: there is no option "${name}"${meant === undefined ? `; there are ${names.join(', ')}` : `; did you mean "${meant}"?`}`,
    )
  }
  if (typeof options.url !== 'string' || !/^https?:\/\/[^\s/]/.test(options.url)) {
    throw new TypeError(
      `createClient: url must be the http(s) address of the control plane, such as http://127.0.0.1:4400, not ${JSON.stringify(options.url)}`,
    )
  }
  if (typeof options.key !== 'string' || options.key === '')
    throw new TypeError('createClient: key must be a server key (srv_…); pipit prints one at its first start')
  for (const name of ['maxPendingEvents', 'maxRememberedUnits'] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new TypeError(`createClient: ${name} must be a whole number above 0`)
  }
  const labels = options.labels ?? {}
  if (
    Object.keys(labels).length > 16 ||
    Object.values(labels).some((label) => typeof label !== 'string' || label.length > 256)
  ) {
    throw new TypeError('createClient: labels are at most 16 texts of up to 256 characters')
  }
}
