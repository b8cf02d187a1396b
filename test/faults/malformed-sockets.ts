import { expect } from 'vitest'
import WebSocket from 'ws'
import type { TestServer } from '../support/server.ts'
import { dump } from './malformed-support.ts'

/** The greeting of an SDK. */
export const hello = (instance: string, more: object = {}): string =>
  JSON.stringify({ type: 'hello', protocol: 1, sdk: { name: 'test', version: '1' }, instance, ...more })

/** A socket with the server's key. */
export function open(server: TestServer): Promise<WebSocket> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${server.serverKey}` },
  })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

export interface Answer {
  readonly type: string
  readonly code?: string | number
  readonly message?: string
  readonly path?: string
}

/** The next message, or the close, of a socket. The server's own heartbeat may come between any two messages and answers nothing. */
export function next(socket: WebSocket): Promise<Answer> {
  return new Promise((resolve) => {
    const over = (answer: Answer): void => {
      socket.off('message', onMessage)
      socket.off('close', onClose)
      resolve(answer)
    }
    const onMessage = (data: WebSocket.RawData): void => {
      const answer = JSON.parse(data.toString()) as Answer
      if (answer.type !== 'ping') over(answer)
    }
    const onClose = (code: number): void => over({ type: 'closed', code })
    socket.on('message', onMessage)
    socket.on('close', onClose)
  })
}

/** A socket that has greeted and been answered. */
export async function greeted(server: TestServer, instance: string): Promise<WebSocket> {
  const socket = await open(server)
  const answer = next(socket)
  socket.send(hello(instance))
  expect(await answer).toMatchObject({ type: 'ruleset' })
  return socket
}

/** Somebody who does nothing wrong, and the world as it was. */
export interface Bystander {
  /** The bystander has not noticed anything, and nothing has changed. */
  expectUnharmed(): Promise<void>
  close(): void
}

export async function createBystander(server: TestServer): Promise<Bystander> {
  const socket = await greeted(server, 'bystander-1')
  const before = await dump(server)
  return {
    async expectUnharmed() {
      const pong = next(socket)
      socket.send('{"type":"ping"}')
      expect(await pong).toEqual({ type: 'pong' })
      expect(await dump(server)).toBe(before)
    },
    close: () => socket.close(),
  }
}
