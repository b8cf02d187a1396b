/** The built SDK with declarations as `pipit types` writes them: what the compiler takes, and what it refuses, by line and code. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { declarations } from '@pipit/server/cli'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
mkdirSync(join(root, '.tmp'), { recursive: true })
// Inside the repository, so that the packages are found as an application finds them.
const folder = mkdtempSync(join(root, '.tmp', 'typed-use-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const rollouts = [
  {
    key: 'checkout-v2',
    variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
    payloadSchema: {
      type: 'object',
      properties: { color: { type: 'string' }, size: { type: 'integer' } },
      required: ['color'],
      additionalProperties: false,
    },
  },
  { key: 'search', variants: [{ name: 'stable' }, { name: 'a' }, { name: 'b' }] },
]

const clients = `
import { type Client, createClient, type VariantOf } from '@pipit/sdk-node'
import type { Rollouts } from './rollouts.d.ts'
const where = { url: 'http://127.0.0.1:4400', key: 'srv_x' }
const sdk = createClient<Rollouts>(where)
const checkout = createClient<Rollouts, 'checkout-v2'>({ ...where, rollout: 'checkout-v2' })
const untyped = createClient({ ...where, rollout: 'whatever' })
const one = () => 1
const two = async () => 2
const user = { id: 'u', plan: 'beta' }
const context = { headers: { 'x-canary': 'true' } }
`

interface Fault {
  readonly line: number
  readonly code: string
}

/** Compiles a program beside the declarations; a line that ends in `// TS2345` is one that must be refused, with that code. */
function compile(
  name: string,
  program: string,
): { readonly found: readonly Fault[]; readonly expected: readonly Fault[] } {
  const source = `${clients}${program}\nexport type Uses = Client | VariantOf<Rollouts, 'search'>\n`
  writeFileSync(join(folder, 'rollouts.d.ts'), declarations('production', rollouts))
  writeFileSync(join(folder, `${name}.ts`), source)
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  }
  const config = join(folder, `${name}.json`)
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [`${name}.ts`] }))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config, '--pretty', 'false'], {
    cwd: root,
    encoding: 'utf8',
  })
  const found = stdout
    .split('\n')
    .filter((line) => /^\S/.test(line))
    .map((line) => /^\S*?([\w-]+)\.ts\((\d+),\d+\): error (TS\d+)/.exec(line) ?? [line, 'nowhere', '0', line])
    .map(([, file, line, code]) => ({ line: file === name ? Number(line) : 0, code: String(code) }))
  const expected = source.split('\n').flatMap((text, i) => {
    const code = /\/\/ (TS\d+)$/.exec(text)?.[1]
    return code === undefined ? [] : [{ line: i + 1, code }]
  })
  return { found, expected }
}

describe('typed use of the built SDK', () => {
  it('takes programs that are right', () => {
    const { found } = compile(
      'right',
      `
const a: 'stable' | 'canary' = sdk.variant(user, 'checkout-v2')
const b: 'stable' | 'a' | 'b' = sdk.variant('u', { rollout: 'search', ...context })
const decision = sdk.decide(undefined, 'checkout-v2')
const color: string | undefined = decision.payload?.color
const size: number | undefined = decision.payload?.size
sdk.outcome(decision, { ok: true })
const c: Promise<number> = sdk.run(user, { stable: one, canary: two }, 'checkout-v2')
const d: Promise<number> = sdk.run(user, { stable: one, a: two, b: one }, { rollout: 'search', fallback: true })

const e: 'stable' | 'canary' = checkout.variant(user)
const f: 'stable' | 'canary' = checkout.variant(user, context)
const g: 'stable' | 'a' | 'b' = checkout.variant(user, 'search')
const h: Promise<number> = checkout.run(user, { stable: one, canary: two }, { fallback: true })
checkout.outcome(checkout.decide(user), { ok: false, kind: '5xx' })

declare const either: 'checkout-v2' | 'search'
const which = sdk.decide(user, either)
const i: 'stable' | 'a' | 'b' | undefined = which.rollout === 'search' ? which.variant : undefined

const all = sdk.variants(user)
const o: 'stable' | 'a' | 'b' | undefined = all.search
const p: Client = sdk

const j: string = untyped.variant(user)
const k: string = untyped.variant(user, 'any-key')
declare const key: string
const n: string = untyped.variant(user, key)
const l: Promise<number> = untyped.run(user, { stable: one, anything: two }, context)
untyped.outcome(untyped.decide(user, { rollout: 'any-key' }), { ok: true })
const m: Client = untyped
export { a, b, c, color, d, e, f, g, h, i, j, k, l, m, n, o, p, size }
`,
    )
    expect(found).toEqual([])
  })

  it('refuses what cannot be, where it stands', () => {
    const { found, expected } = compile(
      'wrong',
      `
sdk.variant(user, 'chekout-v2') // TS2345
sdk.variant(user, { rollout: 'chekout-v2' }) // TS2820
sdk.variant(user) // TS2554
sdk.variant(user, context) // TS2345
if (sdk.variant(user, 'checkout-v2') === 'canry') two() // TS2367
if (sdk.variant(user, 'search') === 'canary') two() // TS2367
sdk.decide(user, 'checkout-v2').payload.color // TS2532
sdk.decide(user, 'checkout-v2').payload?.colour // TS2551
sdk.decide(user, 'search').payload?.color // TS2339
const paint: number = sdk.decide(user, 'checkout-v2').payload?.color ?? 1 // TS2322
sdk.run(user, { stable: one }, 'checkout-v2') // TS2741
sdk.run(user, { canary: one }, 'checkout-v2') // TS2741
sdk.run(user, { stable: one, canary: one, other: one }, 'checkout-v2') // TS2353
checkout.run(user, { stable: one, a: one, b: one }) // TS2353
checkout.variant(user) satisfies 'stable' // TS1360
sdk.variants(user).serch // TS2551
createClient<Rollouts>({ ...where, rollout: 'checkout-v2' }) // TS2322
createClient<Rollouts, 'checkout-v2'>(where) // TS2345
createClient<Rollouts, 'nothing'>({ ...where, rollout: 'nothing' }) // TS2344
createClient<{ broken: { variant: 1; payload: undefined } }>(where) // TS2344
export { paint }
`,
    )
    expect(expected.length).toBe(20)
    expect(found).toEqual(expected)
  })

  it('types the middleware of Hono by its client', () => {
    const { found, expected } = compile(
      'hono',
      `
import { pipit } from '@pipit/sdk-node/hono'
import { Hono } from 'hono'
const app = new Hono().use(pipit(checkout, { user: (c) => c.req.header('x-user') }))
app.get('/', (c) => c.text(c.var.pipit.decide().payload?.color ?? 'grey'))
app.get('/', (c) => c.text(c.var.pipit.variant('search') === 'a' ? 'new' : 'old'))
app.get('/', (c) => c.text(c.var.pipit.variant() === 'a' ? 'new' : 'old')) // TS2367
const other = new Hono().use(pipit(sdk, { user: () => 'u' }))
other.get('/', (c) => c.text(c.var.pipit.variant('checkout-v2')))
other.get('/', (c) => c.text(c.var.pipit.variant())) // TS2554
new Hono().use(pipit(untyped, { user: () => 'u' })).get('/', (c) => c.text(c.var.pipit.variant('whatever')))
`,
    )
    expect(expected.length).toBe(2)
    expect(found).toEqual(expected)
  })
})
