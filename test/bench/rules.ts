/**
 * `npm run bench -- rules`: what the dearer things that a rule may ask cost: an address among 1000 ranges beside Node's `BlockList`, the
 * hour in a zone, and the user agent, where the answer is known and where it is not. The last is asked of the built SDK: `npm run build` first.
 */
import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { createClient } from '@pipit/sdk-node'
import { compileCondition, compileTimeWindow } from '@pipit/shared/rules'
import { type Candidate, printTimings, sideBySide } from './side-by-side.ts'

const calls = 100_000

/** As many calls as one round has, over a list that begins again at its end. */
const over = <T>(name: string, items: readonly T[], test: (item: T) => boolean, count = calls): Candidate => ({
  name,
  run() {
    let held = 0
    for (let i = 0; i < count; i++) if (test(items[i % items.length] as T)) held++
    return held
  },
})

const ranges = Array.from({ length: 1000 }, (_, i) => `10.${i >> 2}.${(i & 3) * 64}.0/19`)
const users = Array.from({ length: 1000 }, (_, i) => ({ ip: `10.${i >> 2}.${(i * 37) & 255}.${i & 255}` }))
const inRanges = compileCondition({ ip: { $inCidr: ranges } }, { cohort: () => undefined })
const blockList = new BlockList()
for (const range of ranges) {
  const [address = '', prefix] = range.split('/')
  blockList.addSubnet(address, Number(prefix))
}
if (inRanges === undefined || users.some((user) => inRanges(user) !== blockList.check(user.ip)))
  throw new Error('the condition does not say what BlockList says')
printTimings('an address among 1000 ranges', [
  ...sideBySide([over('$inCidr', users, inRanges)], calls),
  ...sideBySide([over('BlockList', users.slice(0, 100), ({ ip }) => blockList.check(ip), 1000)], 1000),
])

const window = { zone: 'Europe/Amsterdam', days: ['fri', 'sat'], from: '22:00', to: '06:00' } as const
const [known, anew] = [compileTimeWindow(window), compileTimeWindow(window)]
if (known === undefined || anew === undefined) throw new Error('this machine does not know the zone')
const now = Date.UTC(2026, 2, 27, 21)
const minutes = Array.from({ length: 10_000 }, (_, i) => now + i * 60_000)
printTimings('the hour in a zone', [
  ...sideBySide([over('in a minute that was asked before', [now, now + 1], known)], calls),
  ...sideBySide([over('in another minute each time', minutes, anew, 10_000)], 10_000),
])

const data = new URL('../../sdk-node/src/platform/data/user-agents.json', import.meta.url)
const { agents } = JSON.parse(readFileSync(data, 'utf8')) as { readonly agents: readonly { readonly text: string }[] }
const texts = agents.map(({ text }) => text)
const rollout = { phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 10 } as const
const variants = [{ name: 'stable' }, { name: 'canary' }]
const rules = [{ name: 'phones', userAgent: { mobile: true }, serve: 'canary' }]
const sdk = createClient({
  ...{ url: 'http://127.0.0.1:9', key: 'srv_bench', cacheDir: false, logger: { warn() {} } },
  bootstrap: {
    ...{ version: 1, environment: 'production', unitSalt: '0123456789abcdef', cohorts: {} },
    rollouts: { plain: { ...rollout, variants }, phones: { ...rollout, variants, rules } },
  },
})
const user = { id: 'user-1' }
const asked = texts.map((text) => ({ plain: { rollout: 'plain', headers: { 'user-agent': text } }, text }))
const ofPhones = (text: string) => ({ rollout: 'phones', headers: { 'user-agent': text } })
const phones = texts.map(ofPhones)
let told = 0
printTimings(`sdk.variant(user, { headers }), ${texts.length} frequent user agents`, [
  ...sideBySide(
    [
      over('without a rule', asked, ({ plain }) => sdk.variant(user, plain) === 'canary'),
      over('a rule on one of the last 1000', phones, (options) => sdk.variant(user, options) === 'canary'),
    ],
    calls,
  ),
  ...sideBySide(
    [over('a rule on a new one', texts, (text) => sdk.variant(user, ofPhones(`${text} ${told++}`)) === 'canary', 1000)],
    1000,
  ),
])
await sdk.close({ timeoutMs: 0 })
