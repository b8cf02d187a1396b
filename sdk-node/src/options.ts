import { type ClientOptions, nearest } from '@pipit/shared/client'

export interface NodeClientOptions extends ClientOptions {
  /**
   * Folder in which the last ruleset is kept, so that a process that starts while the server is away decides as before. Default: a
   * folder of this user's under the system's temporary directory. `false` keeps nothing.
   */
  readonly cacheDir?: string | false
}

const names: readonly string[] = [
  'url',
  'key',
  'rollout',
  'bootstrap',
  'labels',
  'logger',
  'maxPendingEvents',
  'maxRememberedUnits',
  'followSignIns',
  'cacheDir',
] satisfies (keyof NodeClientOptions)[]

/** Faults of a program, as opposed to faults of a network: these are thrown, once, where the program is written. */
export function checkOptions(options: NodeClientOptions): void {
  if (typeof options !== 'object' || options === null) fail('give options, at least { url, key }')
  for (const name of Object.keys(options)) if (!names.includes(name)) fail(unknownOption(name))
  checkAddress(options)
  const { rollout, logger, cacheDir, followSignIns, labels = {} } = options
  if (rollout !== undefined && (typeof rollout !== 'string' || rollout === ''))
    fail('rollout must be the key of a rollout')
  if (logger !== undefined && typeof logger?.warn !== 'function') fail('logger must have a method warn(message)')
  if (followSignIns !== undefined && typeof followSignIns !== 'boolean') fail('followSignIns must be true or false')
  if (cacheDir !== undefined && cacheDir !== false && (typeof cacheDir !== 'string' || cacheDir === ''))
    fail('cacheDir must be a folder, or false')
  checkBounds(options)
  if (!areLabels(labels)) fail('labels are at most 16 texts of up to 256 characters')
}

function checkBounds(options: NodeClientOptions): void {
  for (const name of ['maxPendingEvents', 'maxRememberedUnits'] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      fail(`${name} must be a whole number above 0`)
  }
}

function checkAddress({ url, key }: NodeClientOptions): void {
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url) || /[?#]/.test(url)) {
    fail(
      `url must be the http(s) address of the control plane, such as http://127.0.0.1:4400, not ${JSON.stringify(url)}`,
    )
  }
  if (typeof key !== 'string' || key === '')
    fail('key must be a server key (srv_...); pipit prints one at its first start')
  if (!/^[\x21-\x7e]+$/.test(key)) fail('key has a space, a line end or another character that no key has')
}

function areLabels(labels: unknown): boolean {
  if (typeof labels !== 'object' || labels === null) return false
  const values: unknown[] = Object.values(labels)
  return values.length <= 16 && values.every((label) => typeof label === 'string' && label.length <= 256)
}

function unknownOption(name: string): string {
  const meant = nearest(name, [...names])
  return `there is no option "${name}"${meant === undefined ? `; there are ${names.join(', ')}` : `; did you mean "${meant}"?`}`
}

function fail(message: string): never {
  throw new TypeError(`createClient: ${message}`)
}
