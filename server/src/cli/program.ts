import { Command, CommanderError, Option } from 'commander'
import { type ConfigResult, type Flags, readClientConfig } from '../config.ts'
import { type ApiClient, CommandError, createApiClient, exitCodes } from './api-client.ts'
import { apply } from './apply.ts'
import { addDecideOptions, type DecideFlags, decideText } from './decide.ts'
import { changeMembers } from './members.ts'
import { addPlanOptions, type PlanFlags, planText, planTraffic, readEffects } from './plan.ts'
import { previewText, type ShownPreview } from './preview.ts'
import { replayFile, replayRollout } from './replay.ts'
import { readRolloutFile } from './rollout-file.ts'
import {
  pushedText,
  rolloutTable,
  type ShownAnalysis,
  type ShownConvergence,
  type ShownRollout,
  statusText,
} from './show.ts'
import { writeTypes } from './types/write-types.ts'

/** What the commands need of the world around them. */
export interface CliParts {
  readonly env: Flags
  /** Runs a server until it is told to stop. */
  readonly serve: (flags: Flags) => Promise<void>
  readonly out: (line: string) => void
  readonly err: (line: string) => void
  readonly version: string
}

interface Remote {
  readonly url?: string
  readonly token?: string
  readonly environment?: string
}

interface Why extends Remote {
  readonly reason?: string
  readonly preview?: boolean
}

/** Commands that are no more than a name and a reason. */
const plainCommands: readonly (readonly [name: string, what: string])[] = [
  ['pause', 'hold the weight as it is'],
  ['resume', 'go on after a pause'],
  ['advance', 'go to the next stage without waiting for evidence'],
  ['approve', 'approve the stage'],
  ['reject', 'refuse the approval: the rollout pauses'],
  ['revert', 'take the canary back from everybody'],
  ['archive', 'put a rollout away'],
]

/** Runs the command line and returns the exit code. Never throws. */
export async function runCli(args: readonly string[], parts: CliParts): Promise<number> {
  const program = createProgram(parts)
  try {
    await program.parseAsync(withCommand(args), { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    if (!(error instanceof CommandError)) {
      parts.err(`pipit: ${error instanceof Error ? error.message : String(error)}`)
      return exitCodes.failed
    }
    parts.err(`pipit: ${error.message}`)
    for (const { path, message } of error.errors) parts.err(`  ${path === '' ? '' : `${path}: `}${message}`)
    return error.exitCode
  }
}

/** `serve` is what is meant where no command is named: commander's own default would take a misspelt command for an argument of it. */
function withCommand(args: readonly string[]): string[] {
  const [first] = args
  const isOption = first?.startsWith('-') === true && !['-h', '--help', '-V', '--version'].includes(first)
  return first === undefined || isOption ? ['serve', ...args] : [...args]
}

function createProgram(parts: CliParts): Command {
  const program = new Command('pipit')
    .description('Canary rollouts that can be left alone.')
    .version(parts.version)
    .configureOutput({ writeOut: (text) => parts.out(text.trimEnd()), writeErr: (text) => parts.err(text.trimEnd()) })
    .exitOverride()
    .showHelpAfterError('(pipit --help shows what there is)')

  program
    .command('serve')
    .description('run the control plane (the default)')
    .option('--host <address>', 'where to listen; PIPIT_HOST, 127.0.0.1')
    .option('--port <port>', 'PIPIT_PORT, 4400')
    .option('--database-url <url>', 'PIPIT_DATABASE_URL, sqlite:./pipit.db')
    .option('--log <level>', 'debug, info, warn or error; PIPIT_LOG, info')
    .option('--limits <list>', 'such as maxSockets=30000,slowMs=10s; PIPIT_LIMITS')
    .action(async (flags: { host?: string; port?: string; databaseUrl?: string; log?: string; limits?: string }) => {
      await parts.serve({
        PIPIT_HOST: flags.host,
        PIPIT_PORT: flags.port,
        PIPIT_DATABASE_URL: flags.databaseUrl,
        PIPIT_LOG: flags.log,
        PIPIT_LIMITS: flags.limits,
      })
    })

  program
    .command('validate')
    .description('check rollout files, without a server')
    .requiredOption('-f, --file <file...>', 'rollout files (YAML or JSON)')
    .action(async ({ file }: { file: string[] }) => {
      for (const path of file) parts.out(`${path}: ${(await readRolloutFile(path)).key} is valid`)
    })

  addRemoteCommands(program, parts)
  return program
}

function addRemoteCommands(program: Command, parts: CliParts): void {
  const remote = (name: string, what: string): Command =>
    program
      .command(name)
      .description(what)
      .addOption(new Option('--url <url>', 'the server; PIPIT_URL, http://127.0.0.1:4400'))
      .addOption(new Option('--token <token>', 'an admin token (adm_…); better by PIPIT_TOKEN'))
      .addOption(new Option('--environment <name>', 'production when absent'))
  const reasoned = (name: string, what: string): Command =>
    remote(name, what).option('--reason <text>', 'why; for history and audit')
  const command = (name: string, what: string): Command =>
    reasoned(name, what).option('--preview', 'say what it would do and who would change sides, and change nothing')
  const api = (options: Remote): ApiClient => clientOf(parts, options)

  async function send(key: string, name: string, options: Why, body: object = {}): Promise<void> {
    if (options.preview === true) {
      const path = `/rollouts/${encodeURIComponent(key)}/preview`
      const preview = await api(options).call('POST', path, { command: name, ...body })
      parts.out(previewText(key, preview as ShownPreview))
      return
    }
    const reason = options.reason === undefined ? {} : { reason: options.reason }
    const answer = await api(options).call('POST', `/rollouts/${encodeURIComponent(key)}/${name}`, {
      ...body,
      ...reason,
    })
    const { phase, stage, weight } = answer as ShownRollout
    parts.out(`${key}: ${phase}${stage === undefined ? '' : `, stage ${stage}`}, ${weight} %`)
  }

  remote('apply', 'create or edit rollouts from files')
    .requiredOption('-f, --file <file...>', 'rollout files (YAML or JSON)')
    .action(async (options: Remote & { file: string[] }) => await apply(api(options), options.file, parts.out))

  remote('rollouts', 'list the rollouts').action(async (options: Remote) => {
    parts.out(rolloutTable(await allRollouts(api(options))))
  })

  remote('status <key>', 'show one rollout with its figures').action(async (key: string, options: Remote) => {
    const path = `/rollouts/${encodeURIComponent(key)}`
    const client = api(options)
    const rollout = (await client.call('GET', path)) as ShownRollout
    parts.out(statusText(rollout, (await client.call('GET', `${path}/analysis`)) as ShownAnalysis))
    const pushed = (await client.call('GET', `${path}/convergence?limit=1`)) as { items: readonly ShownConvergence[] }
    parts.out(pushedText(pushed.items[0]))
  })

  remote('types', 'write a declaration file: keys, variants and payload types of the rollouts')
    .option('-o, --output <file>', 'where to, such as src/rollouts.d.ts; to the terminal when absent')
    .action(async (options: Remote & { output?: string }) => {
      const environment = options.environment ?? 'production'
      const output = options.output === undefined ? {} : { output: options.output }
      await writeTypes(api(options), await allRollouts(api(options)), { environment, ...output }, parts.out)
    })

  addDecideOptions(remote('decide <key>', 'what a user would get of a rollout, and why')).action(
    async (key: string, options: Remote & DecideFlags) => parts.out(await decideText(api(options), key, options)),
  )

  for (const change of ['add', 'remove'] as const) {
    const what =
      change === 'add' ? 'list the ids of a file in a cohort' : 'take the ids of a file off the list of a cohort'
    remote(`${change}-members <cohort>`, what)
      .requiredOption('-f, --file <file>', 'one id a line')
      .option('--reason <text>', 'why; for the audit log')
      .action(async (cohort: string, { file, reason, ...options }: Remote & { file: string; reason?: string }) => {
        const job = { change, cohort, file, ...(reason === undefined ? {} : { reason }) }
        await changeMembers(api(options), job, parts.out)
      })
  }

  addPlanOptions(remote('plan [key]', 'what a rollout can show at a traffic, before it starts')).action(
    async (key: string | undefined, options: Remote & PlanFlags) => {
      if ((key === undefined) === (options.file === undefined)) {
        throw new CommandError(
          'name either a rollout of the server or a file: `pipit plan <key>` or `pipit plan -f <file>`',
          exitCodes.usage,
        )
      }
      const traffic = planTraffic(options)
      const effects = readEffects(options)
      const rollout = options.file === undefined ? { key } : (await readRolloutFile(options.file)).content
      const answer = await api(options).call('POST', '/plan', { rollout, ...traffic, ...effects })
      parts.out(planText(answer as Parameters<typeof planText>[0]))
    },
  )
  remote('replay [key]', 'take automatic decisions again on their stored evidence')
    .option('--decision <id>', 'this one alone')
    .option('--export <file>', 'write it to a file, with its evidence')
    .option('--file <file>', 'replay an exported decision, without a server')
    .action(
      async (key: string | undefined, options: Remote & { decision?: string; export?: string; file?: string }) => {
        if (options.file !== undefined) return await replayFile(options.file, parts.out)
        if (key === undefined)
          throw new CommandError('name a rollout, or an exported decision with --file', exitCodes.usage)
        return await replayRollout(api(options), key, options, parts.out)
      },
    )

  command('start <key>', 'start a draft')
    .option('--at <time>', 'later, at this ISO 8601 time')
    .action(async (key: string, options: Why & { at?: string }) => {
      await send(key, 'start', options, options.at === undefined ? {} : { at: options.at })
    })
  for (const [name, what] of plainCommands) {
    command(`${name} <key>`, what).action(async (key: string, options: Why) => await send(key, name, options))
  }
  command('complete <key>', 'give everybody the winner')
    .option('--winner <variant>', 'the variant that wins')
    .action(async (key: string, options: Why & { winner?: string }) => {
      await send(key, 'complete', options, options.winner === undefined ? {} : { winner: options.winner })
    })
  command('restart <key>', 'begin again at the first stage')
    .addOption(
      new Option('--people <who>', 'the same people first again, or others')
        .choices(['same', 'fresh'])
        .makeOptionMandatory(),
    )
    .action(
      async (key: string, options: Why & { people: string }) =>
        await send(key, 'restart', options, { people: options.people }),
    )
  reasoned('dismiss <key>', 'ignore a guard or a check for a while; needs --reason')
    .requiredOption('--metric <name>', 'the metric of the guard, or the name of the check')
    .requiredOption('--for <duration>', 'how long: 30m, 2h')
    .action(
      async (key: string, options: Why & { metric: string; for: string }) =>
        await send(key, 'dismiss', options, { metric: options.metric, for: options.for }),
    )
  command('set-weight <key> <weight>', 'set the weight by hand, 0 to 100').action(
    async (key: string, weight: string, options: Why) => {
      const value = Number(weight)
      if (weight.trim() === '' || !Number.isFinite(value)) {
        throw new CommandError(`a weight is a number from 0 to 100, not "${weight}"`, exitCodes.usage)
      }
      await send(key, 'set-weight', options, { weight: value })
    },
  )
}

function clientOf(parts: CliParts, options: Remote): ApiClient {
  const result = readClientConfig(parts.env, { PIPIT_URL: options.url, PIPIT_TOKEN: options.token })
  return createApiClient(configOf(result), options.environment)
}

/** Settings that hold, or the end of the command with all that is wrong. */
export function configOf<C>(result: ConfigResult<C>): C {
  if (result.ok) return result.config
  throw new CommandError('wrong settings', exitCodes.usage, result.issues)
}

async function allRollouts(api: ApiClient): Promise<ShownRollout[]> {
  const found: ShownRollout[] = []
  let after = ''
  for (;;) {
    const query = after === '' ? '' : `&after=${encodeURIComponent(after)}`
    const page = (await api.call('GET', `/rollouts?limit=200${query}`)) as { items: ShownRollout[]; next?: string }
    found.push(...page.items)
    if (page.next === undefined) return found
    after = page.next
  }
}
