/** Runs in the browser: makes the client of the page's configuration and hydrates what the server has rendered. */
import { createClient, type PageClientOptions } from '@pipit/sdk-browser'
import { createElement } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { App, renders } from './react-app.ts'

interface Config extends PageClientOptions {
  readonly live?: boolean
  /** Hydrates only once the server was heard. */
  readonly late?: boolean
}

interface Seen {
  readonly id: string
  readonly textContent: string | null
}

declare const document: { getElementById(id: string): Parameters<typeof hydrateRoot>[0] & Seen }
declare const MutationObserver: new (notify: () => void) => { observe(target: unknown, options: object): void }

const config = JSON.parse(document.getElementById('config').textContent ?? '') as Config
const client = createClient(config)
const errors: string[] = []
const torn: string[] = []

function look(): void {
  const [first, second] = ['first', 'second'].map((id) => document.getElementById(id).textContent)
  if (first !== second) torn.push(`${first} ${second}`)
}

async function start(): Promise<void> {
  const root = document.getElementById('root')
  new MutationObserver(look).observe(root, { childList: true, characterData: true, subtree: true })
  while (config.late === true && client.status().source !== 'server')
    await new Promise((resolve) => setTimeout(resolve, 10))
  const hydrated = hydrateRoot(root, createElement(App, { client, live: config.live === true }), {
    onRecoverableError: (error) => errors.push(String(error)),
  })
  /** Renders again with other properties: live, or with a client of its own that knows a bootstrap. */
  const again = (live: boolean, bootstrap?: PageClientOptions['bootstrap']): void =>
    hydrated.render(createElement(App, { client: bootstrap ? createClient({ ...config, bootstrap }) : client, live }))
  Object.assign(globalThis, { again })
}

Object.assign(globalThis, { seen: { client, errors, torn, renders } })
void start()
