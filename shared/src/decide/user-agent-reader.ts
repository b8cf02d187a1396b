import type { UserAgent } from './environment.ts'

/** What reads user agents: bowser's `parse` and isbot, or what answers as they do. */
export interface UserAgentLibraries {
  readonly parse: (text: string) => {
    readonly browser: { readonly name?: string | undefined; readonly version?: string | undefined }
    readonly os: {
      readonly name?: string | undefined
      readonly version?: string | undefined
      readonly versionName?: string | undefined
    }
    readonly platform: { readonly type?: string | undefined }
    readonly engine: { readonly name?: string | undefined }
  }
  readonly isBot: (text: string) => boolean
}

/** Longest header that is read: browsers stay far below, and what patterns take grows with the length (2 ms for the worst of this one). */
const lengthLimit = 1024

/** Names that rules use, where they differ from the library's. `Mozilla` is what everybody says and says nothing. */
const names: { readonly [name: string]: string | undefined } = {
  'Microsoft Edge': 'Edge',
  'Samsung Internet for Android': 'Samsung Internet',
  Mozilla: undefined,
}

/**
 * Makes a reader of `User-Agent` headers that remembers the last `limit` different ones. Undefined for a text that is empty, or too
 * long to be a browser's. The libraries come from outside, for nothing in this folder depends on any.
 */
export function createUserAgentReader(
  libraries: UserAgentLibraries,
  limit = 1000,
): (text: string) => UserAgent | undefined {
  const known = new Map<string, UserAgent>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    if (text === '' || text.length > lengthLimit) return undefined
    const read = readUserAgent(libraries, text)
    for (const oldest of known.keys()) {
      if (known.size < limit) break
      known.delete(oldest)
    }
    known.set(text, read)
    return read
  }
}

/** Bowser knows browsers and devices; of crawlers and scripts it knows some, and isbot most. */
function readUserAgent({ parse, isBot }: UserAgentLibraries, text: string): UserAgent {
  const { browser, os, platform, engine } = parse(text)
  return {
    browser: nameOf(browser.name),
    version: textOf(browser.version),
    os: textOf(os.name),
    // Windows 10 calls itself NT 10.0.
    osVersion: textOf(os.name === 'Windows' ? (os.versionName ?? os.version) : os.version),
    engine: textOf(engine.name),
    mobile: platform.type === 'mobile',
    tablet: platform.type === 'tablet',
    bot: platform.type === 'bot' || isBot(text),
  }
}

const textOf = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function nameOf(name: string | undefined): string | undefined {
  return name !== undefined && Object.hasOwn(names, name) ? names[name] : textOf(name)
}
