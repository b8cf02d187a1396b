import type { PageClient } from './api.ts'

/** As much of a measurement of the `web-vitals` library as is told. */
export interface Vital {
  readonly name: string
  readonly value: number
  readonly id: string
}

type OnVital = (report: (vital: Vital) => void) => void

/** The functions of the `web-vitals` library that are used, those that are given. */
export interface WebVitals {
  readonly onLCP?: OnVital
  readonly onINP?: OnVital
  readonly onCLS?: OnVital
}

/**
 * Tells Web Vitals as events of the page's user: `lcp` and `inp` in milliseconds, `cls` as the score. Each counts once a page view, with the value that
 * the library reports first; rollouts count those that a metric of theirs names. The library comes from the application, so that this package depends
 * on none.
 *
 * @example
 * ```ts
 * import { reportVitals } from '@pipit/sdk-browser/vitals'
 * import { onCLS, onINP, onLCP } from 'web-vitals'
 *
 * reportVitals(sdk, { onCLS, onINP, onLCP })
 * ```
 */
export function reportVitals(sdk: Pick<PageClient, 'track'>, { onLCP, onINP, onCLS }: WebVitals): void {
  for (const on of [onLCP, onINP, onCLS])
    on?.(({ name, value, id }) => sdk.track(undefined, name.toLowerCase(), { value, id }))
}
