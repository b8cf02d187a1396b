import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'

const types: { readonly [ending: string]: string } = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

const files = [
  'index.html',
  'page.js',
  'api.js',
  'draw.js',
  'detail.js',
  'text.js',
  'platform/browser.js',
  'page.css',
  'rollout.css',
  'icon.svg',
]

/** Nothing but its own files: no inline script or style, no frame around it, no other host. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The page at `/`. Its files are read once, at the start. */
export function pageRoutes(): Hono {
  const app = new Hono()
  for (const file of files) {
    const body = readFileSync(new URL(`../page/${file}`, import.meta.url))
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`
    const headers = {
      'content-type': types[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
      'content-security-policy': policy,
      'cache-control': 'no-cache',
      etag,
    }
    app.get(file === 'index.html' ? '/' : `/page/${file}`, (c) =>
      c.req.header('if-none-match') === etag
        ? new Response(null, { status: 304, headers })
        : new Response(new Uint8Array(body), { headers }),
    )
  }
  return app
}
