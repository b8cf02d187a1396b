import type { Decision } from '@pipit/shared/decide'
import type { PageClient } from './api.ts'

/** What is used of a page. */
export interface WatchedPage {
  readonly document: Pick<Document, 'addEventListener' | 'removeEventListener' | 'visibilityState'> | undefined
  addEventListener(type: string, listener: () => void, capture: boolean): void
  removeEventListener(type: string, listener: () => void, capture: boolean): void
}

/**
 * Counts each view of the page as an outcome of each rollout that was decided in it, or of `rollout` alone: failed with its first uncaught
 * error or unhandled rejection, and ok when the page is left or hidden without one. Stable and canary alike, so that they compare: an error
 * outside of every `run` is a failure of the page and not of a call. Call it right after `createClient`; returns what ends it.
 *
 * @example
 * ```ts
 * import { watchErrors } from '@pipit/sdk-browser/errors'
 *
 * watchErrors(sdk)
 * ```
 */
export function watchErrors(
  sdk: Pick<PageClient, 'on' | 'outcome'>,
  { rollout }: { readonly rollout?: string } = {},
  page: WatchedPage = globalThis as unknown as WatchedPage,
): () => void {
  const { document } = page
  if (!document) return () => undefined
  const views: Decision[] = []
  /** Those before this one have been told of. */
  let judged = 0

  function judge(ok: boolean): void {
    while (judged < views.length) sdk.outcome(views[judged++] as Decision, { ok })
  }

  const fail = (): void => judge(false)
  const leave = (): void => judge(true)
  const hide = (): void => {
    if (document.visibilityState === 'hidden') leave()
  }

  const off = sdk.on('exposure', (decision) => {
    if (rollout === undefined || decision.rollout === rollout) views.push(decision)
  })
  // Of images and scripts that fail to load the window hears on the way in alone.
  page.addEventListener('error', fail, false)
  page.addEventListener('unhandledrejection', fail, false)
  // Before the client, which sends its last report then.
  page.addEventListener('pagehide', leave, true)
  document.addEventListener('visibilitychange', hide)

  return () => {
    off()
    page.removeEventListener('error', fail, false)
    page.removeEventListener('unhandledrejection', fail, false)
    page.removeEventListener('pagehide', leave, true)
    document.removeEventListener('visibilitychange', hide)
  }
}
