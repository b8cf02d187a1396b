/** What a `User-Agent` header says of the program behind it; undefined where it does not say. */
export interface UserAgent {
  /** The browser's name as its makers write it: `Chrome`, `Safari`, `Microsoft Edge`. */
  readonly browser: string | undefined
  readonly version: string | undefined
  /** `Windows`, `macOS`, `iOS`, `Android`, `Linux`. */
  readonly os: string | undefined
  readonly osVersion: string | undefined
  /** `Blink`, `WebKit`, `Gecko`. */
  readonly engine: string | undefined
  /** A phone. A tablet is not one. */
  readonly mobile: boolean
  readonly tablet: boolean
  /** A crawler, a link preview or a command-line client: no person. */
  readonly bot: boolean
}

/** What a decision takes from the place it is made in. What is absent is not known there, and rules that ask for it do not match. */
export interface DecideEnvironment {
  /** Wall time in epoch milliseconds. */
  readonly now?: () => number
  /** Reads a `User-Agent` header; undefined for a text that says nothing. */
  readonly userAgent?: (text: string) => UserAgent | undefined
}
