/** What the page of `react.test.ts` shows: rendered on a server in Node, and hydrated in a browser. */
import type { PageClient } from '@pipit/sdk-browser'
import { PipitProvider, useDecision, useTrack, useVariant } from '@pipit/sdk-browser/react'
import { createElement, type ReactElement } from 'react'

/** How often each was rendered. */
export const renders = { variant: 0, payload: 0 }

function Variant({ id }: { readonly id: string }): ReactElement {
  renders.variant++
  return createElement('p', { id }, useVariant())
}

function Payload(): ReactElement {
  renders.payload++
  const { payload, reason } = useDecision()
  const track = useTrack()
  return createElement(
    'button',
    { id: 'buy', type: 'button', onClick: () => track('buy') },
    `${JSON.stringify(payload ?? 'none')} ${reason}`,
  )
}

export interface AppProps {
  readonly client: PageClient
  readonly live?: boolean
}

export const App = ({ client, live = false }: AppProps): ReactElement =>
  createElement(
    PipitProvider,
    { client, live },
    createElement(Variant, { id: 'first' }),
    createElement(Payload),
    createElement(Variant, { id: 'second' }),
  )
