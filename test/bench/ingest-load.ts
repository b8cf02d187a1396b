import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { WebSocket } from 'ws'

/** Who answers reports: a server, and what its process is. */
export interface Target {
  readonly url: string
  readonly pid: number
  readonly key: string
}

export interface Measured {
  readonly perSecond: number
  readonly p99Ms: number
  /** Of the server's process, user and system time, for one report. */
  readonly cpuMicroseconds: number
}

export interface Load {
  /** Names of the instances that report, new to the server or with sequences that go on. */
  readonly instances: readonly string[]
  /** By instance, so that a later load goes on where this one ends. */
  readonly sequences: Map<string, number>
  readonly seconds: number
  /** The text of a report. */
  readonly body: (seq: number) => string
}

/** One core for the server, one for the load: neither has the other's time. Does nothing where the machine cannot. */
export function pin(pid: number, core: 0 | 1): void {
  try {
    execFileSync('taskset', ['-apc', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    // Without taskset the two share what there is.
  }
}

/** One report in flight for each instance, over HTTP connections that stay. */
export async function overHttp({ url, pid, key }: Target, path: string, load: Load): Promise<Measured> {
  const { hostname, port } = new URL(url)
  return await measure(pid, load, async (instance, round) => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    let answer = ''
    let answered: (text: string) => void = () => {}
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (!/"(?:ack|error)".*\}/.test(answer)) return
      const text = answer
      answer = ''
      answered(text)
    })
    await new Promise((resolve) => socket.once('connect', resolve))
    const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\nx-pipit-instance: ${instance}\r\nx-pipit-sdk: bench/1\r\ncontent-type: application/json\r\n`
    await round(
      (text) =>
        new Promise((resolve) => {
          answered = resolve
          socket.write(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
        }),
    )
    socket.destroy()
  })
}

/** The same over WebSockets. */
export async function overSockets({ url, pid, key }: Target, path: string, load: Load): Promise<Measured> {
  const address = `${url.replace('http', 'ws')}${path}`
  return await measure(pid, load, async (instance, round) => {
    const socket = new WebSocket(address, { headers: { authorization: `Bearer ${key}` }, perMessageDeflate: false })
    let answered: (text: string) => void = () => {}
    const greeted = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const text = data.toString()
        if (/^\{"type":"(?:ack|error)"/.test(text)) answered(text)
        else if (text.includes('"ruleset"')) resolve()
      })
    })
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(JSON.stringify({ type: 'hello', protocol: 1, sdk: { name: 'bench', version: '1' }, instance }))
    await greeted
    await round(
      (text) =>
        new Promise((resolve) => {
          answered = resolve
          socket.send(text)
        }),
    )
    socket.terminate()
  })
}

type Send = (text: string) => Promise<string>

async function measure(
  pid: number,
  { instances, sequences, seconds, body }: Load,
  open: (instance: string, round: (send: Send) => Promise<void>) => Promise<void>,
): Promise<Measured> {
  const took: number[] = []
  let begun = 0
  let ready = 0
  let go = (): void => {}
  const all = new Promise<void>((resolve) => {
    go = resolve
  })
  let cpu = 0
  await Promise.all(
    instances.map((instance) =>
      open(instance, async (send) => {
        if (++ready === instances.length) {
          begun = performance.now()
          cpu = cpuMs(pid)
          go()
        }
        await all
        while (performance.now() - begun < seconds * 1000) {
          const seq = (sequences.get(instance) ?? 0) + 1
          sequences.set(instance, seq)
          const text = body(seq)
          const at = performance.now()
          const answer = await send(text)
          if (!answer.includes('"ack"')) throw new Error(`report ${seq} of ${instance} was refused: ${answer}`)
          took.push(performance.now() - at)
        }
      }),
    ),
  )
  const elapsed = (performance.now() - begun) / 1000
  took.sort((a, b) => a - b)
  return {
    perSecond: took.length / elapsed,
    p99Ms: took[Math.floor(took.length * 0.99)] ?? 0,
    cpuMicroseconds: ((cpuMs(pid) - cpu) * 1000) / took.length,
  }
}

/** User and system time of a process so far; 0 where /proc is not there. */
function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return 0
  }
}
