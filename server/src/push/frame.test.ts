import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { textFrame } from './frame.ts'

let close = (): void => undefined
afterEach(() => close())

/** What a WebSocket client reads when these bytes are written to its socket. */
async function read(frames: readonly Buffer[]): Promise<{ text: string; isBinary: boolean }[]> {
  const server = createServer()
  const upgrades = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    upgrades.handleUpgrade(request, socket, head, () => {
      for (const frame of frames) socket.write(frame)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  close = () => {
    client.terminate()
    server.close()
  }
  return new Promise((resolve, reject) => {
    const messages: { text: string; isBinary: boolean }[] = []
    client.on('error', reject)
    client.on('message', (data, isBinary) => {
      messages.push({ text: data.toString(), isBinary })
      if (messages.length === frames.length) resolve(messages)
    })
  })
}

describe('a text frame', () => {
  it('is made as RFC 6455 section 5.7 shows it', () => {
    expect(textFrame('Hello').toString('hex')).toBe('810548656c6c6f')
  })

  it('of any length is read back whole', async () => {
    const texts = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000].map((length) => 'x'.repeat(length))
    expect(await read(texts.map(textFrame))).toEqual(texts.map((text) => ({ text, isBinary: false })))
  })

  it('counts bytes, not characters', async () => {
    const text = `${'é'.repeat(100)}😀`
    expect(await read([textFrame(text)])).toEqual([{ text, isBinary: false }])
  })

  it('never carries broken UTF-8, for a reader would have to close', async () => {
    expect(await read([textFrame('a\ud800b')])).toEqual([{ text: 'a\ufffdb', isBinary: false }])
  })
})
