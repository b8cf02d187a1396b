import type { Issue } from '@pipit/shared/base'
import { nearest } from '@pipit/shared/rules'
import { type Limits, parseLimits } from './limits.ts'
import { type LogLevel, logLevels } from './platform/index.ts'

/** What `pipit serve` runs by. */
export interface Config {
  readonly host: string
  /** 0 lets the machine choose a free one. */
  readonly port: number
  /** Path of the SQLite file, or `:memory:`. */
  readonly databaseFile: string
  readonly logLevel: LogLevel
  /** Those that are not the defaults. */
  readonly limits: Partial<Limits>
  /** What the first start would make and print, given beforehand. */
  readonly presets: { readonly adminToken?: string; readonly serverKey?: string; readonly webKey?: string }
}

/** How the other commands reach a server. */
export interface ClientConfig {
  readonly url: string
  readonly token: string | undefined
}

export type ConfigResult<C> =
  | { readonly ok: true; readonly config: C }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/** Values given on the command line, by the name of the setting. They win over the environment. */
export type Flags = { readonly [setting: string]: string | undefined }

interface Setting {
  readonly name: string
  readonly fallback?: string
  /** What is wrong with a value, in words that follow the setting's name. */
  readonly fault: (value: string) => string | undefined
}

const secret = (name: string, prefix: string): Setting => ({
  name,
  fault: (value) =>
    new RegExp(`^${prefix}_[\\w-]{16,200}$`).test(value)
      ? undefined
      : `must be ${prefix}_ and 16 to 200 letters, digits, _ or - that nobody can guess`,
})

const settings: readonly Setting[] = [
  {
    name: 'PIPIT_HOST',
    fallback: '127.0.0.1',
    fault: (value) =>
      /^[\w.:-]{1,253}$/.test(value) ? undefined : 'must be an address or a host name, such as 127.0.0.1',
  },
  {
    name: 'PIPIT_PORT',
    fallback: '4400',
    fault: (value) =>
      /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? undefined : 'must be a port from 0 (any free one) to 65535',
  },
  { name: 'PIPIT_DATABASE_URL', fallback: 'sqlite:./pipit.db', fault: databaseFault },
  {
    name: 'PIPIT_LOG',
    fallback: 'info',
    fault: (value) =>
      logLevels.some((level) => level === value) ? undefined : `must be one of ${logLevels.join(', ')}`,
  },
  // Has its faults told one by one.
  { name: 'PIPIT_LIMITS', fallback: '', fault: () => undefined },
  secret('PIPIT_ADMIN_TOKEN', 'adm'),
  secret('PIPIT_SERVER_KEY', 'srv'),
  secret('PIPIT_WEB_KEY', 'web'),
]

const clientSettings: readonly Setting[] = [
  { name: 'PIPIT_URL', fallback: 'http://127.0.0.1:4400', fault: urlFault },
  secret('PIPIT_TOKEN', 'adm'),
]

/** Settings of the server from flags and environment, or every fault with the setting's name and what is right. */
export function readConfig(env: Flags, flags: Flags = {}): ConfigResult<Config> {
  const { values, issues } = readSettings(settings, env, flags)
  const limits = parseLimits(values.PIPIT_LIMITS ?? '')
  if (!limits.ok) issues.push(...limits.issues)
  if (issues.length > 0 || !limits.ok) return { ok: false, issues }
  const { PIPIT_ADMIN_TOKEN: adminToken, PIPIT_SERVER_KEY: serverKey, PIPIT_WEB_KEY: webKey } = values
  return {
    ok: true,
    config: {
      host: values.PIPIT_HOST ?? '',
      port: Number(values.PIPIT_PORT),
      databaseFile: databaseFile(values.PIPIT_DATABASE_URL ?? ''),
      logLevel: (values.PIPIT_LOG ?? 'info') as LogLevel,
      limits: limits.limits,
      presets: {
        ...(adminToken === undefined ? {} : { adminToken }),
        ...(serverKey === undefined ? {} : { serverKey }),
        ...(webKey === undefined ? {} : { webKey }),
      },
    },
  }
}

/** Settings of the commands that talk to a server. */
export function readClientConfig(env: Flags, flags: Flags = {}): ConfigResult<ClientConfig> {
  const { values, issues } = readSettings(clientSettings, env, flags)
  if (issues.length > 0) return { ok: false, issues }
  const url = (values.PIPIT_URL ?? '').replace(/\/+$/, '')
  return { ok: true, config: { url, token: values.PIPIT_TOKEN } }
}

function readSettings(known: readonly Setting[], env: Flags, flags: Flags) {
  const issues: Issue[] = unknownSettings(env)
  const values: { [setting: string]: string | undefined } = {}
  for (const { name, fallback, fault } of known) {
    const given = flags[name] ?? env[name]
    const value = given === undefined || given === '' ? fallback : given
    values[name] = value
    const message = value === undefined ? undefined : fault(value)
    if (message !== undefined) issues.push({ path: name, message: `${message}${shownValue(name, value)}` })
  }
  return { values, issues }
}

function unknownSettings(env: Flags): Issue[] {
  const names = [...settings, ...clientSettings].map(({ name }) => name)
  return Object.keys(env)
    .filter((name) => name.startsWith('PIPIT_') && !names.includes(name))
    .map((name) => {
      const meant = nearest(name, names)
      const advice = meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`
      return { path: name, message: `is no setting; ${advice}` }
    })
}

/** A wrong value is shown, unless it is a secret. */
function shownValue(name: string, value: string | undefined): string {
  return /TOKEN|KEY/.test(name) ? '' : `; it is "${value?.replace(/\/\/[^@/]*@/, '//…@')}"`
}

function databaseFault(value: string): string | undefined {
  if (/^postgres(?:ql)?:/.test(value)) {
    return 'names PostgreSQL, which comes with a later version; this one keeps everything in one file, such as sqlite:./pipit.db'
  }
  return /^sqlite:./.test(value) && !value.includes('\0')
    ? undefined
    : 'must be sqlite: and the path of a file, such as sqlite:./pipit.db'
}

/** `sqlite:./pipit.db`, `sqlite:/var/lib/pipit.db` and `sqlite:///var/lib/pipit.db` name files. */
function databaseFile(url: string): string {
  return url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
}

function urlFault(value: string): string | undefined {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return undefined
  return 'must be the http(s) address of a Pipit server, such as http://127.0.0.1:4400'
}
