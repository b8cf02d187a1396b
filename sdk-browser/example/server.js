/** The page's own server: renders what was decided for its visitor into the page, under a strict policy. See README.md. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
// @boundaries-ignore an example of an application, which uses both
import { createClient, pageScript } from '@pipit/sdk-node'

const { PIPIT_URL = 'http://127.0.0.1:4400', PIPIT_SERVER_KEY = '', PIPIT_WEB_KEY = '', PORT = '3000' } = process.env
const sdk = createClient({ url: PIPIT_URL, key: PIPIT_SERVER_KEY })

const read = (path) => readFileSync(new URL(path, import.meta.url))
const files = {
  '/pipit.js': ['text/javascript', read('../dist/pipit.js')],
  '/pipit-errors.js': ['text/javascript', read('../dist/pipit-errors.js')],
  '/app.js': ['text/javascript', read('app.js')],
  '/style.css': ['text/css', read('style.css')],
}
const template = read('page.html').toString()
const policy = [
  "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  `connect-src ${PIPIT_URL} ${PIPIT_URL.replace(/^http/, 'ws')}; require-trusted-types-for 'script'`,
].join('; ')

function render(request, response) {
  const visitor = /(?:^|; )visitor=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID()
  const user = { anonymousId: visitor }
  // Both are JSON that cannot end its element: `pageScript` sees to that for whatever it is given.
  const parts = {
    bootstrap: pageScript(sdk.pageRuleset(user, { headers: request.headers })),
    config: pageScript({ url: PIPIT_URL, key: PIPIT_WEB_KEY, rollout: 'checkout-v2', user }),
  }
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
    // The page holds one visitor's decisions.
    'cache-control': 'private, no-store',
    'set-cookie': `visitor=${visitor}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`,
  })
  response.end(template.replace(/"\{(bootstrap|config)\}"/g, (_, name) => parts[name]))
}

await sdk.ready()
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://page')
  const [type, body] = files[pathname] ?? []
  if (pathname === '/') render(request, response)
  else response.writeHead(body ? 200 : 404, { 'content-type': type ?? 'text/plain' }).end(body ?? 'not found\n')
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`the shop is at http://127.0.0.1:${server.address().port}/`))

process.once('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await sdk.close()
})
