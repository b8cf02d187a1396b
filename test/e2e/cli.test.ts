/** The command line against a real server, and the server's own start and end. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCli } from '@pipit/server/cli'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanEnv, mainFile, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let directory: string

beforeAll(async () => {
  server = await startServer()
  directory = mkdtempSync(join(tmpdir(), 'pipit-cli-'))
})
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command as the program would. */
async function pipit(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(args, {
    env: { PIPIT_URL: server.url, PIPIT_TOKEN: server.token, ...env },
    serve: () => Promise.reject(new Error('not in this test')),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    version: '1.2.3',
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

/** Runs the program itself, until it ends or `until` says so. */
function program(
  args: readonly string[],
  env: Record<string, string>,
  until?: (out: string, end: (signal: 'SIGTERM' | 'SIGINT') => void) => void,
): Promise<Ran> {
  const child = spawn(process.execPath, [mainFile, ...args], {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    until?.(out, (signal) => child.kill(signal))
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, out, err })))
}

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const rolloutFile = (key: string, more = ''): string =>
  file(
    `${key}.yaml`,
    `key: ${key}\n${more}stages:\n  - { name: half, weight: 50, hold: 1h }\n  - { name: full, weight: 100 }\n`,
  )

describe('pipit apply', () => {
  it('creates a rollout from its file, edits it, and leaves it when nothing changed', async () => {
    const path = rolloutFile('applied')
    expect(await pipit(['apply', '-f', path])).toMatchObject({
      code: 0,
      out: expect.stringContaining('applied: created as a draft'),
    })
    expect(await pipit(['apply', '-f', path])).toMatchObject({ code: 0, out: 'applied: as it is already' })
    const described = rolloutFile('applied', 'description: now with words\nanalysis: { tick: 1s }\n')
    expect(await pipit(['apply', '-f', described])).toMatchObject({
      code: 0,
      out: expect.stringContaining('edited, now version'),
    })
    expect(await pipit(['apply', '-f', rolloutFile('applied')])).toMatchObject({ code: 0 })
    const { body } = await server.api('GET', '/rollouts/applied')
    expect(body).not.toHaveProperty('description')
    expect(body).toMatchObject({ definition: { analysis: { tick: '5s' } } })
  })

  it('changes nothing where one of several files is wrong', async () => {
    const wrong = file('wrong.yaml', 'key: wrong\nstages: []\n')
    const ran = await pipit(['apply', '-f', rolloutFile('untouched'), wrong])
    expect(ran.code).toBe(3)
    expect(ran.err).toContain('stages: ')
    expect((await server.api('GET', '/rollouts/untouched')).status).toBe(404)
  })

  it('tells what the server refuses with the path of the fault', async () => {
    const path = rolloutFile('unknown-cohort', 'rules:\n  - { name: staff, cohort: nobody-made-this, serve: canary }\n')
    const ran = await pipit(['apply', '-f', path])
    expect(ran).toMatchObject({ code: 3, err: expect.stringMatching(/rules\[0\]\.cohort: .*nobody-made-this/) })
  })
})

describe('pipit validate', () => {
  it('needs no server', async () => {
    const path = rolloutFile('fine')
    expect(await pipit(['validate', '-f', path], { PIPIT_URL: 'http://127.0.0.1:1' })).toEqual({
      code: 0,
      out: `${path}: fine is valid`,
      err: '',
    })
  })

  it('names every fault with its path', async () => {
    const path = file('faults.yaml', 'key: Faults\nstages:\n  - { name: a, weight: 200 }\nmore: 1\n')
    const { code, err } = await pipit(['validate', '-f', path])
    expect(code).toBe(3)
    expect(
      err
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(':')[0]),
    ).toEqual(['key', 'stages[0].weight', 'more'])
  })

  it('names line and column of what is no YAML, and a file that is not there', async () => {
    expect((await pipit(['validate', '-f', file('broken.yaml', 'key: [1\n')])).err).toMatch(/line \d+, column \d+/)
    expect(await pipit(['validate', '-f', '/nowhere/x.yaml'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot be read'),
    })
  })
})

describe('pipit types', () => {
  const schema = 'payloadSchema: { type: object, properties: { color: { enum: [red, blue] } }, required: [color] }\n'
  const typed = (key: string, payload: string): string =>
    rolloutFile(key, `variants: [{ name: stable }, { name: canary, payload: ${payload} }]\n${schema}`)

  it('writes keys, variants and payloads of an environment, and leaves a file that is right', async () => {
    expect((await server.api('POST', '/environments', { name: 'typed' })).status).toBe(201)
    const there = ['--environment', 'typed']
    const path = join(directory, 'rollouts.d.ts')
    await pipit([
      'apply',
      ...there,
      '-f',
      typed('typed-b', '{ color: red }'),
      rolloutFile('typed-a'),
      rolloutFile('gone'),
    ])
    await pipit(['archive', ...there, 'gone'])
    expect(await pipit(['types', ...there, '-o', path])).toEqual({
      code: 0,
      out: `${path}: 2 rollouts of typed`,
      err: '',
    })
    const written = readFileSync(path, 'utf8')
    expect(written).toContain(`export interface Rollouts {
  readonly 'typed-a': {
    readonly variant: 'stable' | 'canary'
    readonly payload: undefined
  }
  readonly 'typed-b': {
    readonly variant: 'stable' | 'canary'
    readonly payload: { readonly color: 'red' | 'blue' } | undefined
  }
}
`)
    expect((await pipit(['types', ...there, '-o', path])).out).toBe(`${path}: as it is already, 2 rollouts of typed`)
    expect(`${(await pipit(['types', ...there])).out}\n`).toBe(written)
  })

  it('tells where it cannot write, and of an environment that is not there', async () => {
    expect(await pipit(['types', '-o', join(directory, 'nowhere', 'x.d.ts')])).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot be written'),
    })
    expect(await pipit(['types', '--environment', 'nowhere'])).toMatchObject({ code: 1 })
  })

  it('declares what the server has checked: a payload that breaks the schema is refused with its path', async () => {
    expect(await pipit(['apply', '-f', typed('typed-wrong', '{ color: green }')])).toMatchObject({
      code: 3,
      err: expect.stringContaining('variants[1].payload.color: must be "red" or "blue"'),
    })
    const path = typed('typed-edited', '{ color: red }')
    expect(await pipit(['apply', '-f', path])).toMatchObject({ code: 0 })
    expect(await pipit(['apply', '-f', path])).toMatchObject({ out: 'typed-edited: as it is already' })
    const { body } = await server.api('GET', '/rollouts/typed-edited')
    expect(body).toMatchObject({ definition: { payloadSchema: { required: ['color'] } } })
    const variants = [{ name: 'stable' }, { name: 'canary', payload: {} }]
    expect(await server.api('PATCH', '/rollouts/typed-edited', { variants })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'variants[1].payload.color', message: 'is missing' }] },
    })
    expect((await server.api('PATCH', '/rollouts/typed-edited', { variants, payloadSchema: null })).status).toBe(200)
  })
})

describe('plan', () => {
  const planned = (key: string): string =>
    file(
      `${key}.yaml`,
      `key: ${key}\nstages:\n  - { name: one, weight: 1, maxHold: 40m }\n  - { name: all, weight: 100 }\nguards:\n  - { metric: error_rate, worseThan: { relative: 1.5 }, action: revert }\n`,
    )

  it('shows margins, times and what cannot be shown, before anything is made', async () => {
    const { code, out } = await pipit(['plan', '-f', planned('ahead'), '--rps', '400', '--error-rate', '0.01'])
    expect(code).toBe(0)
    expect(out).toContain('error_rate 1.86×')
    expect(out).toMatch(/one +error rate doubled +> 99\.9 % +1,\d{3} \(\d min\)/)
    expect(out).toContain('within 1.86 times stable only, not within 1.5 times stable')
    expect((await server.api('GET', '/rollouts/ahead')).status).toBe(404)
    const slow = await pipit(['plan', '-f', planned('ahead'), '--rps', '3', '--error-rate', '0.01'])
    expect(slow.out).toMatch(
      /cannot show error rate within 1\.5 times stable at 3 requests\/s: it would take [\d.]+ days/,
    )
  })

  it('says what is missing or wrong', async () => {
    const path = planned('short')
    await pipit(['apply', '-f', path])
    for (const [args, code, words] of [
      [[], 2, 'pipit plan <key>'],
      [['-f', path], 3, 'requestsPerSecond'],
      [['short'], 3, 'no evidence yet'],
      [['nobody', '--rps', '1'], 1, 'there is no rollout "nobody"'],
      [['short', '--rps', 'much'], 2, '"much"'],
      [['short', '--error-rate', '0.1'], 2, '--rps is missing'],
      [['short', '--rps', '1', '--p50', '3'], 2, '--p99'],
      [['short', '--rps', '1', '--metric', 'x'], 2, 'name=number'],
      [['short', '--rps', '1', '--error-rate', '3'], 3, 'traffic.errorRate'],
    ] as const) {
      expect(await pipit(['plan', ...args])).toMatchObject({ code, err: expect.stringContaining(words) })
    }
    const unknown = await pipit(['plan', 'short', '--rps', '1', '--effect', 'latency_p99=2'])
    expect(unknown.out).toContain('No guard or gate of this rollout looks at latency_p99')
  })
})

describe('commands', () => {
  it('move a rollout and say where it stands', async () => {
    const guard = 'guards: [{ metric: error_rate, worseThan: { relative: 1.5 }, action: revert }]\n'
    await pipit(['apply', '-f', rolloutFile('moved', guard)])
    expect(await pipit(['start', 'moved', '--reason', 'release 7'])).toMatchObject({
      code: 0,
      out: 'moved: running, stage half, 50 %',
    })
    expect(await pipit(['set-weight', 'moved', '12.5'])).toMatchObject({ out: 'moved: running, stage half, 12.5 %' })
    expect(await pipit(['rollouts'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^KEY +PHASE[\s\S]*moved +running +half +12\.5 %/),
    })
    expect((await pipit(['status', 'moved'])).out).toMatch(
      /moved: running since .*12\.5 %[\s\S]*\[half 50 %\] → full 100 %/,
    )
    expect(await pipit(['pause', 'moved'])).toMatchObject({ out: 'moved: paused, stage half, 12.5 %' })
    expect(
      await pipit(['dismiss', 'moved', '--metric', 'error_rate', '--for', '30m', '--reason', 'known, mended in 7.1']),
    ).toMatchObject({ code: 0, out: 'moved: paused, stage half, 12.5 %' })
    expect(await pipit(['dismiss', 'moved', '--metric', 'error_rate', '--for', 'soon', '--reason', 'x'])).toMatchObject(
      { code: 3, err: expect.stringContaining('must be a duration such as 30s') },
    )
    expect(await pipit(['revert', 'moved', '--reason', 'enough'])).toMatchObject({ code: 0 })
    expect(await pipit(['restart', 'moved', '--people', 'same'])).toMatchObject({
      out: 'moved: running, stage half, 50 %',
    })
    expect(await pipit(['complete', 'moved'])).toMatchObject({ out: 'moved: succeeded, stage half, 100 %' })
    const history = await server.api('GET', '/rollouts/moved/history')
    expect(JSON.stringify(history.body)).toContain('release 7')
  })

  it('end with a plain sentence and an exit code', async () => {
    await pipit(['apply', '-f', rolloutFile('plain')])
    expect(await pipit(['resume', 'plain'])).toMatchObject({ code: 1, err: expect.stringContaining('draft') })
    expect(await pipit(['start', 'nobody'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/pipit: there is no rollout/),
    })
    expect(await pipit(['set-weight', 'plain', 'much'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('"much"'),
    })
    expect(await pipit(['set-weight', 'plain', '200'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('weight'),
    })
    expect(await pipit(['explode'])).toMatchObject({ code: 2, err: expect.stringContaining("'explode'") })
    expect(await pipit(['restart', 'plain'])).toMatchObject({ code: 2, err: expect.stringContaining('--people') })
    expect(await pipit(['rollouts'], { PIPIT_TOKEN: 'adm_nobody_knows_this_one' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('PIPIT_TOKEN'),
    })
    expect(await pipit(['rollouts'], { PIPIT_URL: 'http://127.0.0.1:1' })).toMatchObject({
      code: 4,
      err: expect.stringContaining('no answer from'),
    })
    expect(await pipit(['rollouts', '--environment', 'nowhere'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('production'),
    })
    expect(await pipit(['rollouts'], { PIPIT_PROT: '1' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('PIPIT_PORT'),
    })
    expect(await pipit(['--version'])).toMatchObject({ code: 0, out: '1.2.3' })
  })
})

describe('pipit serve', () => {
  const database = (name: string) => ({ PIPIT_DATABASE_URL: `sqlite:${join(directory, name)}`, PIPIT_PORT: '0' })

  it('makes and prints an environment, keys and a token at its first start, once', async () => {
    const env = database('first.db')
    const first = await program(
      [],
      env,
      (out, end) => out.includes('web key') && out.includes('admin token') && end('SIGTERM'),
    )
    expect(first.code).toBe(0)
    expect(first.out).toMatch(
      /page +http:\/\/127\.0\.0\.1:\d+\/\n +server key +srv_[\w-]{32}\n +web key +web_[\w-]{32}\n +admin token +adm_[\w-]{32}\n/,
    )
    const second = await program(['serve'], env, (out, end) => out.includes('listens at') && end('SIGINT'))
    expect(second).toMatchObject({ code: 0, out: expect.not.stringContaining('admin token') })
  })

  it('says that a preset came too late', async () => {
    const env = database('late.db')
    await program(['serve'], env, (out, end) => out.includes('admin token') && end('SIGTERM'))
    const late = { ...env, PIPIT_ADMIN_TOKEN: 'adm_too_late_0123456789' }
    const second = await program(['serve'], late, (out, end) => out.includes('listens at') && end('SIGTERM'))
    expect(second.err).toContain('PIPIT_ADMIN_TOKEN counts at the first start only')
    expect(second.err + second.out).not.toContain('adm_too_late')
  })

  it('refuses wrong settings, a port in use, a host that is not here, and a file that is no database', async () => {
    expect(await program(['serve'], { PIPIT_PORT: 'many' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('PIPIT_PORT: must be a port'),
    })
    expect(await program(['serve', '--database-url', 'postgres://db/x'], {})).toMatchObject({
      code: 2,
      err: expect.stringContaining('comes with a later version'),
    })
    const busy = createServer()
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
    const { port } = busy.address() as { port: number }
    const taken = await program(['serve', '--port', String(port)], { ...database('busy.db'), PIPIT_PORT: '' })
    busy.close()
    expect(taken).toMatchObject({ code: 1, err: expect.stringContaining(`port ${port} at 127.0.0.1 is in use`) })
    expect(taken.out).toBe('')
    expect(await program(['serve', '--host', '192.0.2.1'], database('host.db'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('192.0.2.1 is no address of this machine'),
    })
    writeFileSync(join(directory, 'not.db'), 'this is a text, not a database. '.repeat(200))
    expect(await program(['serve'], database('not.db'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('the database cannot be opened'),
    })
  })
})

describe('pipit decide', () => {
  it('says what a user would get, and why, step by step', async () => {
    const more = [
      'rules:',
      '  - { name: qa, header: X-Canary, values: ["true"], serve: canary }',
      '  - { name: phones, userAgent: { mobile: true }, serve: canary }',
      '  - { name: night, time: { zone: UTC, from: "22:00", to: "06:00" }, serve: stable }',
      '  - { name: dutch, when: { country: NL, age: { $gte: 18 } }, serve: canary }',
      '',
    ].join('\n')
    const path = rolloutFile('asked', more)
    expect(await pipit(['apply', '-f', path])).toMatchObject({ code: 0 })
    expect(await pipit(['start', 'asked'])).toMatchObject({ code: 0 })
    const user = JSON.stringify({ id: 'ada', country: 'NL', age: 17 })
    const asked = await pipit([
      'decide',
      'asked',
      '--user',
      user,
      '--header',
      'X-Canary: false',
      '--at',
      '2026-11-21T12:00:00Z',
    ])
    expect(asked).toMatchObject({ code: 0, err: '' })
    const lines = asked.out.split('\n')
    expect(lines[0]).toMatch(/^asked: (stable|canary) \(split; stage half, ruleset \d+\)$/)
    expect(lines.slice(1, -1)).toEqual([
      '   - the rollout is running',
      '   - rule qa does not match',
      '       header X-Canary $in ["true"]: "false", does not hold',
      '   - rule phones does not match',
      '       user agent meets {"mobile":true}: there is none, does not hold',
      '   - rule night does not match',
      '       time is {"zone":"UTC","from":"22:00","to":"06:00"}: "2026-11-21T12:00:00.000Z", does not hold',
      '   - rule dutch does not match',
      '       country is "NL": "NL", holds',
      '       age $gte 18: 17, does not hold',
    ])
    expect(lines.at(-1)).toMatch(/^ {2}=> at [\d.]+ %, (not )?below the weight of 50 %: (stable|canary)$/)
    const iphone =
      'User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'
    expect((await pipit(['decide', 'asked', '--user', 'ada', '--header', iphone])).out).toMatch(
      /=> rule phones matches and serves canary/,
    )
    const json = await pipit(['decide', 'asked', '--user', 'ada', '--json'])
    expect(JSON.parse(json.out)).toMatchObject({
      rollout: 'asked',
      unit: 'ada',
      trace: [{ step: 'phase' }, {}, {}, {}, {}, { step: 'split' }],
    })
  })

  it('says what is wrong with what it was given', async () => {
    expect(await pipit(['decide', 'asked'])).toMatchObject({ code: 2, err: expect.stringContaining('--user') })
    expect(await pipit(['decide', 'asked', '--user', '{"id":'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/looks like JSON and is none/),
    })
    expect(await pipit(['decide', 'asked', '--user', 'ada', '--header', 'X-Canary'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/such as "X-Canary: true"/),
    })
    // Names that every plain object has.
    expect(await pipit(['decide', 'asked', '--user', 'ada', '--header', 'constructor: x'])).toMatchObject({ code: 0 })
    expect(await pipit(['decide', 'asked', '--user', 'ada', '--cookie', 'a=1', '--cookie', 'a=2'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--cookie names a twice'),
    })
    expect(await pipit(['decide', 'nowhere', '--user', 'ada'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no rollout "nowhere"/),
    })
  })
})

describe('members of cohorts', () => {
  it('are listed and taken off by files of ids', async () => {
    await server.api('POST', '/cohorts', { key: 'long', members: ['first'] })
    const many = join(directory, 'many.txt')
    writeFileSync(many, `\uFEFF${Array.from({ length: 20_001 }, (_, i) => `user-${i}`).join('\r\n')}\r\n\r\n`)
    expect(await pipit(['add-members', 'long', '-f', many, '--reason', 'from the warehouse'])).toEqual({
      code: 0,
      out: 'long: 20001 ids added, 20002 members now',
      err: '',
    })
    const page = async () => (await server.api('GET', '/cohorts/long/members?limit=2')).body
    expect(await page()).toMatchObject({ items: ['first', 'user-0'] })
    const two = join(directory, 'two.txt')
    writeFileSync(two, 'user-0\nfirst')
    expect((await pipit(['remove-members', 'long', '-f', two])).out).toBe('long: 2 ids removed, 20000 members now')
    expect(await page()).toMatchObject({ items: ['user-1', 'user-10'] })
  })

  it('of a file with faults say which line, of one that is not there or empty what to do', async () => {
    const wrong = join(directory, 'wrong.txt')
    writeFileSync(wrong, `a\n${'b'.repeat(257)}\n`)
    expect(await pipit(['add-members', 'long', '-f', wrong])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/line 2 of .*wrong\.txt has 257 characters; an id has 256 at most/),
    })
    writeFileSync(wrong, '\n')
    expect(await pipit(['add-members', 'long', '-f', wrong])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/put one on each line/),
    })
    for (const path of [join(directory, 'none.txt'), directory])
      expect(await pipit(['add-members', 'long', '-f', path])).toMatchObject({
        code: 2,
        err: expect.stringContaining(`${path} cannot be read: `),
      })
    writeFileSync(wrong, 'a\n')
    expect(await pipit(['add-members', 'nobody', '-f', wrong])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no cohort "nobody"/),
    })
  })
})

describe('--preview', () => {
  it('tells who would change sides and changes nothing', async () => {
    const path = rolloutFile('previewed')
    await pipit(['apply', '-f', path])
    expect((await pipit(['start', 'previewed', '--at', '2100-01-01T00:00:00Z', '--preview'])).out).toMatch(
      /from draft, 0 % to scheduled, 0 %/,
    )
    await pipit(['start', 'previewed'])
    expect((await pipit(['set-weight', 'previewed', '60', '--preview'])).out.split('\n')).toEqual([
      'previewed would go from running, stage half, 50 % to running, stage half, 60 %',
      '  10 % of the users who are dealt out would change sides, 0 of those seen in this stage:',
      '  stable -> canary: 10 % (0 of those seen)',
      '  the comparison would begin anew',
    ])
    expect((await pipit(['pause', 'previewed', '--preview'])).out).toMatch(/nobody would change sides/)
    expect((await pipit(['status', 'previewed'])).out).toMatch(/running/)
    expect((await pipit(['restart', 'previewed', '--people', 'fresh', '--preview'])).err).toMatch(/running|restart/)
    // Nobody changes sides by a dismissal, so there is nothing to preview.
    const dismiss = ['dismiss', 'previewed', '--metric', 'error_rate', '--for', '1h', '--preview']
    expect(await pipit(dismiss)).toMatchObject({ code: 2, err: expect.stringContaining("unknown option '--preview'") })
  })
})
