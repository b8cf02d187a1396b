import { utf8 } from '../base/index.ts'
import { Fault, type JsonRecord, named, own, record, text } from './check.ts'
import { type Hello, wireLimits } from './messages.ts'
import type { PageUser } from './page.ts'

type PageHello = Pick<Hello, 'user' | 'cookies' | 'userHash'>

/** Whom a page tells of, bounded: a server keeps it as long as the page is open. Throws `Fault`. */
export function readPageHello(source: JsonRecord, path = ''): PageHello {
  const at = (field: string): string => named(path, field)
  // What JSON makes of a user who is nothing, and of an id that is no number: the page has nobody, as in an SDK of a server.
  const user = own(source, 'user') ?? undefined
  const cookies = own(source, 'cookies')
  const userHash = own(source, 'userHash')
  return {
    ...(user === undefined ? {} : { user: readUser(record(user, at('user')), at('user')) }),
    ...(cookies === undefined ? {} : { cookies: readCookies(record(cookies, at('cookies')), at('cookies')) }),
    ...(userHash === undefined ? {} : { userHash: readHash(userHash) }),
  }
}

function readUser(source: JsonRecord, path: string): PageUser {
  const bytes = bytesOf(source, path)
  if (bytes > wireLimits.pageUserBytes)
    throw new Fault(path, `has ${bytes} bytes as JSON; at most ${wireLimits.pageUserBytes} are taken`)
  for (const name of ['id', 'anonymousId']) {
    const value = own(source, name) ?? ''
    const isNumber = name === 'id' && typeof value === 'number' && Number.isFinite(value)
    if (value !== '' && !isNumber) text(source, name, path, wireLimits.pageIdLength)
  }
  return source
}

function bytesOf(source: JsonRecord, path: string): number {
  try {
    return utf8(JSON.stringify(source)).length
  } catch {
    // Parsing takes any depth, and this one does not.
    throw new Fault(path, 'is nested too deep')
  }
}

function readCookies(source: JsonRecord, path: string): { readonly [name: string]: string } {
  const names = Object.keys(source)
  if (names.length > wireLimits.pageCookies)
    throw new Fault(path, `has ${names.length} cookies; at most ${wireLimits.pageCookies} are taken`)
  for (const name of names) {
    if (name.length > 256) throw new Fault(path, 'has a name of more than 256 characters')
    const value = text(source, name, path, wireLimits.pageCookieBytes, 0)
    if (utf8(value).length > wireLimits.pageCookieBytes)
      throw new Fault(`${path}.${name}`, `must have at most ${wireLimits.pageCookieBytes} bytes`)
  }
  return source as { readonly [name: string]: string }
}

/** What can be no proof is a wrong one, which only an environment that asks for proofs minds. */
const readHash = (value: unknown): string =>
  typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : ''
