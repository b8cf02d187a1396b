import { utf8 } from '../base/index.ts'
import { Fault, type JsonRecord, own, record, text } from './check.ts'
import { type Hello, wireLimits } from './messages.ts'
import type { PageUser } from './page.ts'

type PageHello = Pick<Hello, 'user' | 'cookies' | 'userHash'>

/** What a page tells in its `hello`, bounded: a server keeps it as long as the page is open. Throws `Fault`. */
export function readPageHello(source: JsonRecord): PageHello {
  const user = own(source, 'user')
  const cookies = own(source, 'cookies')
  const userHash = own(source, 'userHash')
  return {
    ...(user === undefined ? {} : { user: readUser(record(user, 'user')) }),
    ...(cookies === undefined ? {} : { cookies: readCookies(record(cookies, 'cookies')) }),
    ...(userHash === undefined ? {} : { userHash: readHash(userHash) }),
  }
}

function readUser(source: JsonRecord): PageUser {
  const bytes = bytesOf(source)
  if (bytes > wireLimits.pageUserBytes)
    throw new Fault('user', `has ${bytes} bytes as JSON; at most ${wireLimits.pageUserBytes} are taken`)
  const id = own(source, 'id')
  const isNumber = typeof id === 'number' && Number.isFinite(id)
  if (id !== undefined && !isNumber) text(source, 'id', 'user', wireLimits.pageIdLength)
  if (own(source, 'anonymousId') !== undefined) text(source, 'anonymousId', 'user', wireLimits.pageIdLength)
  return source
}

function bytesOf(source: JsonRecord): number {
  try {
    return utf8(JSON.stringify(source)).length
  } catch {
    // Parsing takes any depth, and this one does not.
    throw new Fault('user', 'is nested too deep')
  }
}

function readCookies(source: JsonRecord): { readonly [name: string]: string } {
  const names = Object.keys(source)
  if (names.length > wireLimits.pageCookies)
    throw new Fault('cookies', `has ${names.length} cookies; at most ${wireLimits.pageCookies} are taken`)
  for (const name of names) {
    if (name.length > 256) throw new Fault('cookies', 'has a name of more than 256 characters')
    const value = text(source, name, 'cookies', wireLimits.pageCookieBytes, 0)
    if (utf8(value).length > wireLimits.pageCookieBytes)
      throw new Fault(`cookies.${name}`, `must have at most ${wireLimits.pageCookieBytes} bytes`)
  }
  return source as { readonly [name: string]: string }
}

function readHash(value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/i.test(value))
    throw new Fault('userHash', 'must be an HMAC-SHA256 in hex: 64 hex digits')
  return value.toLowerCase()
}
