import type { PageRollout } from '@pipit/shared/protocol'
import { expect, it } from 'vitest'
import { createFakePage } from './fake-page.ts'
import { createPageClient } from './page-client.ts'
import { reportVitals, type Vital } from './vitals.ts'

it('tells what the library measures as events that count once, also of a page that is being left', () => {
  const fake = createFakePage()
  const shop: PageRollout = {
    ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 100, events: ['lcp', 'cls'] },
    canary: 'canary',
  }
  const sdk = createPageClient(
    { url: 'https://pipit.test', key: 'web_k', user: 'ada', bootstrap: { version: 1, rollouts: { shop } } },
    fake.page,
  )
  const reports: ((vital: Vital) => void)[] = []
  reportVitals(sdk, { onLCP: (report) => reports.push(report), onCLS: (report) => reports.push(report) })
  reports[0]?.({ name: 'LCP', value: 1800.5, id: 'v5-1' })
  reports[1]?.({ name: 'CLS', value: 0, id: 'v5-2' })
  fake.happen('pagehide')
  const [told] = JSON.parse(String(fake.requests[0]?.init.body)).reports
  expect(Object.keys(told.items).map((item) => JSON.parse(item))).toMatchObject([
    { event: 'lcp', value: 1800.5, id: 'v5-1' },
    { event: 'cls', value: 0, id: 'v5-2' },
  ])
})
