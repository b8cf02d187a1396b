/** What a page tells of itself that matters here. */
export const eventTypes: readonly string[] =
  'online offline pagehide pageshow freeze resume visibilitychange storage error unhandledrejection'.split(' ')

/** Some events of the document are heard by the window on the way in alone; when it is hidden, others may still want to report. */
export const inFirst = (type: string): boolean => !type.startsWith('v')

/** What the client uses of a page: its global object, or a fake of it in tests. What is missing or forbidden when it is used is done without. */
export interface Page {
  readonly performance: { now(): number }
  readonly Date: { now(): number }
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  readonly Math: { random(): number }
  readonly crypto: { getRandomValues(into: Uint32Array<ArrayBuffer>): Uint32Array }
  readonly console: { warn(message: string): void }
  readonly document: { readonly hidden: boolean }
  addEventListener(type: string, listener: (event: PageEvent) => void, capture: boolean): void
  removeEventListener(type: string, listener: (event: PageEvent) => void, capture: boolean): void
  readonly localStorage: { getItem(key: string): string | null; setItem(key: string, text: string): void }
  readonly navigator: { sendBeacon?(url: string, body: string): boolean }
  /** Missing in older browsers, which give requests up in their own time. */
  readonly AbortSignal?: { timeout?(ms: number): AbortSignal }
  fetch(url: string, init: RequestInit): Promise<PageResponse>
  readonly WebSocket: new (url: string, protocols: string[]) => PageSocket
}

export interface PageEvent {
  readonly type: string
  readonly target?: unknown
  /** Of a change in storage. */
  readonly key?: string | null
}

export interface PageResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}

export interface PageSocket {
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  send(text: string): void
  close(): void
}
