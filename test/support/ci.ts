/**
 * `npm test`: everything CI needs to know, in order, stopping at the first failure. The last line counts all tests.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Step {
  readonly name: string
  readonly command: readonly string[]
  /** A vitest project: its tests are counted. */
  readonly project?: string
}

const vitest = (project: string): Step => ({ name: project, command: ['vitest', 'run', '--project', project], project })

const steps: readonly Step[] = [
  { name: 'lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'boundaries', command: ['turbo', 'boundaries'] },
  { name: 'dead code', command: ['knip'] },
  vitest('unit'),
  vitest('conformance'),
  { name: 'build', command: ['turbo', 'run', 'build', '--output-logs=errors-only'] },
  vitest('package'),
  { name: 'size', command: ['size-limit'] },
  vitest('e2e'),
  vitest('simulation'),
  vitest('faults'),
]

const directory = mkdtempSync(join(tmpdir(), 'pipit-ci-'))
let passed = 0
let failed = 0

/** Runs a step and resolves to its exit code. */
function run(step: Step): Promise<number> {
  const [program = '', ...args] = step.command
  const report =
    step.project === undefined ? [] : ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile(step)}`]
  return new Promise((resolve) => {
    const child = spawn(program, [...args, ...report], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    })
    child.once('error', () => resolve(127))
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

const reportFile = (step: Step): string => join(directory, `${step.name}.json`)

function count(step: Step): void {
  if (step.project === undefined) return
  try {
    const report = JSON.parse(readFileSync(reportFile(step), 'utf8')) as {
      numPassedTests: number
      numFailedTests: number
    }
    passed += report.numPassedTests
    failed += report.numFailedTests
  } catch {
    // No report: the run failed before it could write one, and its exit code says so.
  }
}

const lines: string[] = []
let code = 0
for (const step of steps) {
  console.log(`\n── ${step.name} ──`)
  const began = performance.now()
  code = await run(step)
  count(step)
  lines.push(
    `${code === 0 ? 'ok  ' : 'FAIL'} ${step.name.padEnd(12)} ${((performance.now() - began) / 1000).toFixed(1)} s`,
  )
  if (code !== 0) break
}
rmSync(directory, { recursive: true, force: true })
console.log(`\n${lines.join('\n')}`)
if (code !== 0 && failed === 0) console.log(`stopped: ${lines.at(-1)?.slice(5) ?? ''}`)
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = code === 0 ? 0 : 1
