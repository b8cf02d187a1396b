import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer, tally } from '../scripted-server.ts'

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

/** An application that counts one outcome and then does `then`; it says when it has. */
function application(url: string, before: string, then: string): ChildProcess {
  const code = `
    import { createClient } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)}
    ${before}
    const sdk = createClient({ url: ${JSON.stringify(url)}, key: 'srv_x', rollout: 'checkout', cacheDir: false })
    await sdk.ready({ timeoutMs: 10_000 })
    await sdk.flush()
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    ${then}
    process.send('counted')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  cleanUps.push(() => child.kill('SIGKILL'))
  return child
}

const counted = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('message', () => resolve()))

const exitOf = (child: ChildProcess): Promise<{ code: number | null; signal: string | null }> =>
  new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))

async function scriptedServer(): Promise<ScriptedServer> {
  const server = await startScriptedServer()
  cleanUps.push(server.stop)
  return server
}

/** Stays until it is told to go. */
const stay = 'setInterval(() => undefined, 1000)'
/** The last flush is at the end of the process, not the one that comes each 50 ms. */
const late =
  'const realSetTimeout = setTimeout; globalThis.setTimeout = (run, ms, ...rest) => realSetTimeout(run, ms > 0 && ms <= 50 ? 600_000 : ms, ...rest)'

describe('what is pending when the process ends', () => {
  it('is sent when there is nothing left to do', async () => {
    const { url, reports } = await scriptedServer()
    const child = application(url, late, 'process.disconnect; setImmediate(() => process.disconnect())')
    expect(await exitOf(child)).toEqual({ code: 0, signal: null })
    expect(tally(reports, 'checkout', 'canary')).toEqual([1, 0])
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('is sent at %s, which then ends the process as ever', async (signal) => {
    const { url, reports } = await scriptedServer()
    const child = application(url, late, stay)
    await counted(child)
    child.kill(signal)
    expect(await exitOf(child)).toEqual({ code: null, signal })
    expect(tally(reports, 'checkout', 'canary')).toEqual([1, 0])
  })

  it('is given up after a second when nobody takes it', async () => {
    const server = await startScriptedServer()
    cleanUps.push(server.stop)
    const child = application(server.url, late, stay)
    await counted(child)
    server.stop()
    child.kill('SIGTERM')
    expect(await exitOf(child)).toEqual({ code: null, signal: 'SIGTERM' })
  })
})

describe('an application that handles signals itself', () => {
  const handler = "process.once('SIGTERM', () => process.exit(7))"
  const asLibrariesDo = `
    const onSignal = () => {
      if (process.listenerCount('SIGTERM') !== 1) return
      process.off('SIGTERM', onSignal)
      process.kill(process.pid, 'SIGTERM')
    }
    process.on('SIGTERM', onSignal)`

  it.each([
    ['that was there before', handler, stay],
    ['that came later', '', `${handler}; await null; ${stay}`],
  ])('keeps its handler %s', async (_when, before, then) => {
    const { url } = await scriptedServer()
    const child = application(url, before, then)
    await counted(child)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toEqual({ code: 7, signal: null })
  })

  it.each([
    ['was there before', asLibrariesDo, stay],
    ['came later', '', `${asLibrariesDo}; await null; ${stay}`],
  ])('still ends where a library that looks whether it is alone %s', async (_when, before, then) => {
    const { url } = await scriptedServer()
    const child = application(url, before, then)
    await counted(child)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toEqual({ code: null, signal: 'SIGTERM' })
  })

  it('has none of ours left after the last client is closed', async () => {
    const { url } = await scriptedServer()
    const child = application(
      url,
      '',
      `await sdk.close()
       if (['SIGTERM', 'SIGINT', 'beforeExit'].some((name) => process.listenerCount(name) > 0)) process.exit(1)
       process.exit(0)`,
    )
    expect(await exitOf(child)).toEqual({ code: 0, signal: null })
  })
})
