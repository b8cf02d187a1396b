/** Garbage at the socket: answered with an error or a close, without harm to anybody else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { startServer, type TestServer } from '../support/server.ts'
import { type Answer, type Bystander, createBystander, greeted, hello, next, open } from './malformed-sockets.ts'
import { expectQuietLog, jsonFiles, listFiles, makeWorld, naughtyStrings, send } from './malformed-support.ts'

let server: TestServer
let bystander: Bystander

beforeAll(async () => {
  // One socket says here what many would.
  server = await startServer({ env: { PIPIT_LIMITS: 'socketMessagesPerSecond=1000' } })
  await makeWorld(server)
  bystander = await createBystander(server)
})
afterAll(async () => {
  bystander.close()
  await server.stop()
})

/** Sends frames one after the other and gives what comes back to each; opens a new socket where the server has closed one. */
async function answersTo(frames: readonly (string | Buffer)[], greet: boolean, binary = false): Promise<Answer[]> {
  const answers: Answer[] = []
  let socket: WebSocket | undefined
  for (const frame of frames) {
    if (socket?.readyState !== WebSocket.OPEN) {
      socket = greet ? await greeted(server, 'malformed-socket') : await open(server)
      socket.on('error', () => undefined)
    }
    const answer = next(socket)
    socket.send(frame, { binary })
    answers.push(await answer)
  }
  socket?.close()
  return answers
}

const files = [...jsonFiles, ...listFiles].filter(({ bytes }) => bytes.length > 0)

describe('every malformed file as a frame', () => {
  it.each([true, false])('after a greeting: %s', async (greet) => {
    const answers = await answersTo(
      files.map(({ bytes }) => bytes),
      greet,
    )
    for (const [i, answer] of answers.entries()) {
      // What is no UTF-8 is refused by the WebSocket protocol itself, with its own code.
      const refusal =
        answer.type === 'closed'
          ? { type: 'closed', code: expect.toSatisfy((code) => [1007, 4400].includes(code)) }
          : {
              type: 'error',
              code: 'bad-message',
              retry: false,
              message: expect.stringMatching(/not JSON|not an object|type must be one of/),
            }
      expect([files[i]?.name, answer]).toEqual([files[i]?.name, expect.objectContaining(refusal)])
    }
    await bystander.expectUnharmed()
  })

  it('in binary', async () => {
    const answers = await answersTo(
      files.map(({ bytes }) => bytes),
      true,
      true,
    )
    for (const answer of answers) expect(['error', 'closed']).toContain(answer.type)
    await bystander.expectUnharmed()
  })
})

describe('every naughty string', () => {
  it('as a frame, a type, and in each text of a message', async () => {
    const texts = naughtyStrings.filter((text) => text !== '' && !['hello', 'ping', 'pong'].includes(text))
    const cell = (text: string) => ({ rollout: text, epoch: 1, variant: text, stratum: 'split', reason: 'split' })
    const frames = texts.flatMap((text) => [
      text,
      JSON.stringify(text),
      JSON.stringify({ type: text }),
      JSON.stringify({ type: 'report', seq: 1, events: [{ event: 'e', unit: text, ageMs: 0 }] }),
      JSON.stringify({
        type: 'report',
        seq: 1,
        exposures: [{ ...cell('running'), stratum: `x${text}`, units: ['0123456789abcdef'] }],
      }),
      hello(`!${text}`),
    ])
    const answers = await answersTo(frames, true)
    for (const [i, answer] of answers.entries()) {
      expect([frames[i], answer.type]).toEqual([
        frames[i],
        expect.toSatisfy((type) => ['error', 'closed'].includes(type)),
      ])
    }
    await bystander.expectUnharmed()
  })

  it('where any text may stand is taken, and counts for no rollout there is', async () => {
    const texts = naughtyStrings.filter((text) => text.length > 0 && text.length <= 128)
    const frames = texts.map((text, i) =>
      JSON.stringify({
        type: 'report',
        seq: i + 1,
        exposures: [
          {
            rollout: text,
            epoch: 1,
            variant: text,
            stratum: 'forced',
            reason: text.slice(0, 32),
            units: ['0123456789abcdef'],
          },
        ],
        events: [{ event: text, unit: '0123456789abcdef', ageMs: 0, id: text }],
      }),
    )
    const answers = await answersTo(frames, true)
    expect(answers.map(({ type }) => type)).toEqual(answers.map(() => 'ack'))
    await bystander.expectUnharmed()
  })
})

describe('too much', () => {
  it('in a body is a 413 that names the bound', async () => {
    const large = JSON.stringify({ key: 'large', description: 'x'.repeat(2_000_000) })
    const refused = { status: 413, body: { code: 'too-large', detail: expect.stringContaining('1048576 bytes') } }
    expect(await send(server, 'POST', '/api/v1/rollouts', large)).toMatchObject(refused)
    const report = { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'too-large-1' }
    expect(await send(server, 'POST', '/sdk/v1/reports', large, report)).toMatchObject({
      status: 413,
      body: { code: 'too-large' },
    })
    await bystander.expectUnharmed()
  })

  it('in a frame closes the socket', async () => {
    const [answer] = await answersTo([JSON.stringify({ type: 'report', seq: 1, x: 'x'.repeat(1_100_000) })], true)
    expect(answer).toEqual({ type: 'closed', code: 1009 })
    await bystander.expectUnharmed()
  })

  it('of bad frames closes the socket with a reason', async () => {
    const socket = await greeted(server, 'chatterbox')
    const closed = new Promise<number>((resolve) => socket.on('close', resolve))
    for (let i = 0; i < 30; i++) socket.send('{')
    expect(await closed).toBe(4400)
    await bystander.expectUnharmed()
  })
})

describe('afterwards', () => {
  it('the server is alive and its log has nothing to say', async () => {
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expectQuietLog(server)
  })
})
