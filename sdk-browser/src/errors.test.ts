import type { PageRollout } from '@pipit/shared/protocol'
import { describe, expect, it } from 'vitest'
import { type WatchedPage, watchErrors } from './errors.ts'
import { createFakePage } from './fake-page.ts'
import { createPageClient } from './page-client.ts'

const shop: PageRollout = {
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 100, canary: 'canary' },
}

function setup(rollout?: string) {
  const fake = createFakePage()
  const listeners: [string, () => void][] = []
  const target = {
    addEventListener: (type: string, listener: () => void) => void listeners.push([type, listener]),
    removeEventListener(type: string, listener: () => void) {
      listeners.splice(
        listeners.findIndex(([of, known]) => of === type && known === listener),
        1,
      )
    },
  }
  const document = { ...target, visibilityState: 'visible' }
  const rollouts = { shop, search: { ...shop, weight: 0 } }
  const sdk = createPageClient(
    { url: 'https://pipit.test', key: 'web_k', user: 'ada', bootstrap: { version: 1, rollouts } },
    fake.page,
  )
  const end = watchErrors(sdk, rollout === undefined ? {} : { rollout }, {
    ...target,
    document,
  } as unknown as WatchedPage)
  const happen = (type: string): void => {
    for (const [of, listener] of [...listeners]) if (of === type) listener()
  }
  const views = (): unknown[] => {
    fake.happen('pagehide')
    const told = fake.requests.flatMap(({ init }) => JSON.parse(String(init.body)).reports.at(-1))
    const items = told.flatMap(({ items: all }) => Object.entries(all).map(([item, ms]) => [JSON.parse(item), ms]))
    return items.filter(([item]) => 'ok' in item).map(([item, ms]) => [item.rollout, item.variant, item.ok, ms])
  }
  return { sdk, end, happen, views, document, listeners }
}

describe('the views of a page', () => {
  it('fail with the first uncaught error, once for each rollout that was decided before', () => {
    const { sdk, happen, views } = setup()
    happen('error')
    sdk.variant(undefined, 'shop')
    happen('error')
    happen('unhandledrejection')
    sdk.variant(undefined, 'search')
    happen('pagehide')
    expect(views()).toEqual([
      ['shop', 'canary', false, [null]],
      ['search', 'stable', true, [null]],
    ])
  })

  it('are well when the page is hidden without an error, and of one rollout where only that one is asked for', () => {
    const { sdk, happen, views, document } = setup('search')
    sdk.variant(undefined, 'shop')
    sdk.variant(undefined, 'search')
    happen('visibilitychange')
    document.visibilityState = 'hidden'
    happen('visibilitychange')
    happen('error')
    expect(views()).toEqual([['search', 'stable', true, [null]]])
  })

  it('are not watched after the end, nor on a server', () => {
    const { sdk, end, happen, views, listeners } = setup()
    end()
    sdk.variant(undefined, 'shop')
    happen('error')
    expect([views(), listeners]).toEqual([[], []])
    expect(watchErrors(sdk, {}, { ...globalThis, document: undefined } as never)()).toBeUndefined()
  })
})
