/** What a page tells of itself that matters here. */
export const eventTypes: readonly string[] = 'online offline pagehide pageshow visibilitychange storage'.split(' ')

/** What the client uses of a page: its global object, or a fake of it in tests. What is missing or forbidden when it is used is done without. */
export interface Page {
  readonly performance: { now(): number }
  readonly Date: { now(): number }
  setTimeout(run: () => unknown, ms: number): unknown
  clearTimeout(timer: unknown): void
  readonly Math: { random(): number }
  readonly console: { warn(message: string): void }
  readonly document: { readonly hidden: boolean }
  addEventListener(type: string, listener: (event: PageEvent) => void): void
  removeEventListener(type: string, listener: (event: PageEvent) => void): void
  readonly localStorage: { getItem(key: string): string | null; setItem(key: string, text: string): void }
  readonly AbortSignal: { timeout(ms: number): AbortSignal }
  fetch(url: string, init: RequestInit): Promise<{ readonly ok: boolean; text(): Promise<string> }>
  readonly WebSocket: new (url: string, protocols: string[]) => PageSocket
}

export interface PageEvent {
  readonly type: string
}

export interface PageSocket {
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  send(text: string): void
  close(): void
}
