import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TestServer } from '../support/server.ts'

const data = fileURLToPath(new URL('./data/malformed/', import.meta.url))

export interface MalformedFile {
  readonly name: string
  readonly bytes: Buffer
}

const folder = (path: string): MalformedFile[] =>
  readdirSync(`${data}${path}`).map((name) => ({ name, bytes: readFileSync(`${data}${path}/${name}`) }))

/** Every file of the JSON test suite. */
export const jsonFiles: readonly MalformedFile[] = [
  ...folder('JSONTestSuite/test_parsing'),
  ...folder('JSONTestSuite/test_transform'),
]

/** The whole lists of naughty strings as files, and each string. */
export const listFiles: readonly MalformedFile[] = [
  'blns.json',
  'blns.base64.json',
  'JSONTestSuite/node_json_parse_baseline.json',
].map((name) => ({ name, bytes: readFileSync(`${data}${name}`) }))
export const naughtyStrings = JSON.parse(readFileSync(`${data}blns.json`, 'utf8')) as readonly string[]

export const stages = [
  { name: 'half', weight: 50, hold: '10h' },
  { name: 'full', weight: 100 },
]

/** A world to be left as it is: drafts, a running and an archived rollout, a cohort, a metric, another environment. */
export async function makeWorld(server: TestServer): Promise<void> {
  const made = async (method: string, path: string, body?: object): Promise<void> => {
    const { status } = await server.api(method, path, body)
    expect([path, status < 300]).toEqual([path, true])
  }
  await made('POST', '/environments', { name: 'staging' })
  await made('POST', '/cohorts', { key: 'beta', when: { plan: 'beta' }, members: ['user-1'] })
  await made('POST', '/metrics', { key: 'purchase', kind: 'conversion', event: 'purchase' })
  for (const key of ['draft', 'running', 'archived']) await made('POST', '/rollouts', { key, stages })
  await made('POST', '/rollouts/running/start')
  await made('POST', '/rollouts/archived/archive')
}

/** Everything that can be read, without what time alone changes. */
export async function dump(server: TestServer): Promise<string> {
  const read = async (path: string): Promise<unknown> => {
    const { status, body } = await server.api('GET', path)
    expect([path, status]).toEqual([path, 200])
    return body
  }
  const { items } = (await read('/rollouts?limit=200')) as { items: { key: string }[] }
  const { items: cohorts } = (await read('/cohorts?limit=200')) as { items: { key: string }[] }
  const paths = [
    '/environments',
    '/keys',
    '/metrics?limit=200',
    '/audit?limit=500',
    '/rollouts?environment=staging',
    ...cohorts.flatMap(({ key }) => [`/cohorts/${key}`, `/cohorts/${key}/members`]),
    ...items.flatMap(({ key }) => [
      `/rollouts/${key}`,
      `/rollouts/${key}/history?limit=500`,
      `/rollouts/${key}/analysis`,
    ]),
  ]
  const all: unknown[] = []
  for (const path of paths) all.push([path, await read(path)])
  return JSON.stringify(
    all,
    (name, value: unknown) => (['verdict', 'judgement', 'lastUsedAt'].includes(name) ? undefined : value),
    1,
  )
}

export interface Refusal {
  readonly status: number
  readonly type: string | null
  readonly body: {
    readonly code?: string
    readonly detail?: string
    readonly errors?: readonly { path: string; message: string }[]
  }
}

/** Sends bytes as they are. */
export async function send(
  server: TestServer,
  method: string,
  path: string,
  body: Buffer | string | undefined,
  headers: Record<string, string> = {},
): Promise<Refusal> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: text === '' ? {} : (JSON.parse(text) as Refusal['body']),
  }
}

/** What makes a refusal a good one: a 4xx problem with a sentence of advice, and each fault with its path or position. */
export function expectGoodRefusal(what: string, { status, type, body }: Refusal): void {
  const good = {
    what,
    refused: status >= 400 && status < 500,
    type: 'application/problem+json',
    advises: true,
    places: true,
  }
  const places = (body.errors ?? []).every(({ path, message }) => typeof path === 'string' && message.length > 0)
  expect({
    what,
    refused: status >= 400 && status < 500,
    type,
    advises: (body.detail?.length ?? 0) > 10,
    places:
      places &&
      (status === 404 || status === 415 || status === 413 || status === 409 || (body.errors?.length ?? 0) > 0),
  }).toEqual(good)
}

/** Nothing that came in may have hit a fault of the server's own. */
export function expectQuietLog(server: TestServer): void {
  const complaints = server
    .output()
    .split('\n')
    .filter((line) => / (?:ERROR|WARN ) /.test(line) || /^\s+at /.test(line))
  expect(complaints).toEqual([])
}
