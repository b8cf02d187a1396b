import type { Cancel, Clock, Random } from '../clock/index.ts'
import {
  closeCodes,
  encodeMessage,
  parseServerMessage,
  type SdkMessage,
  type ServerMessage,
} from '../protocol/index.ts'
import { initialLink, type LinkEffect, type LinkEvent, type LinkState, step } from './connection-machine.ts'
import type { ClientPlatform, Connection } from './platform.ts'

export interface LinkHandlers {
  /** The socket is up: time for the greeting. */
  greeting(): SdkMessage
  /** What shows the server that this SDK is there, and asks whether it is. */
  beat(): SdkMessage
  message(message: ServerMessage): void
  /** Up or down; `failures` counts the lost attempts in a row. */
  state(online: boolean, failures: number): void
  trouble(code: string, message: string): void
}

/** Drives the connection machine: real sockets and timers on one side, messages on the other. */
export interface Link {
  readonly online: boolean
  start(): void
  /** False where there is no open socket. */
  send(message: SdkMessage): boolean
  sendText(text: string): boolean
  stop(): void
}

/** The socket's address of a base address: `http://host/base` → `ws://host/base/sdk/v1/connect`. */
export function socketUrl(url: string): string {
  return `${url.replace(/^http/, 'ws').replace(/\/+$/, '')}/sdk/v1/connect`
}

interface LinkParts {
  readonly connect: NonNullable<ClientPlatform['connect']>
  readonly clock: Clock
  readonly random: Random
}

const unreachable = (url: string, reason: string): string =>
  `no connection to ${url}${reason === '' ? '' : `: ${reason}`}; deciding from what is known, and trying again`

const busy = (url: string, reason: string): string =>
  `the server at ${url} has too much to do${reason === '' ? '' : ` for ${reason} ms`}; deciding from what is known, and coming back then`

export function createLink(parts: LinkParts, url: string, key: string, handlers: LinkHandlers): Link {
  const { clock, random } = parts
  let state: LinkState = initialLink
  let socket: Connection | undefined
  let cancel: Cancel | undefined
  /** Grows with each socket, so that a socket that was let go of is not heard any more. */
  let generation = 0

  function dispatch(event: LinkEvent): void {
    const before = state
    const next = step(state, event, clock.monotonic(), random)
    state = next.state
    for (const effect of next.effects) perform(effect)
    const online = state.phase === 'open'
    const failures = state.phase === 'stopped' ? 0 : state.failures
    if (online !== (before.phase === 'open') || (before.phase !== 'stopped' && failures !== before.failures)) {
      handlers.state(online, failures)
    }
  }

  function perform(effect: LinkEffect): void {
    switch (effect.type) {
      case 'connect':
        open()
        return
      case 'hello':
        send(handlers.greeting())
        return
      case 'ping':
        send(handlers.beat())
        return
      case 'drop':
        generation++
        cancel?.()
        socket?.close(1000, '')
        socket = undefined
        return
      case 'wait':
        cancel?.()
        cancel = clock.setTimer(effect.ms, () => dispatch({ type: 'timer' }))
    }
  }

  function open(): void {
    const mine = ++generation
    const alive = (): boolean => mine === generation
    let opened = false
    socket = parts.connect(socketUrl(url), key, {
      open: () => {
        opened = true
        if (alive()) dispatch({ type: 'opened' })
      },
      message: (text) => {
        if (alive()) receive(text)
      },
      close: (code, reason) => {
        if (!alive()) return
        socket = undefined
        if (code === 4401)
          handlers.trouble('unauthorized', `the server at ${url} refuses this key: check it, or make a new one`)
        else if (code === closeCodes.tryLater) handlers.trouble('busy', busy(url, reason))
        else if (!opened) handlers.trouble('unreachable', unreachable(url, reason))
        dispatch({ type: 'closed', code, reason })
      },
    })
  }

  function receive(text: string): void {
    const parsed = parseServerMessage(text)
    if (!parsed.ok) {
      handlers.trouble('bad-message', `the server sent what this SDK does not understand: ${parsed.error.message}`)
      return
    }
    const { message } = parsed
    const heartbeatMs = 'heartbeatMs' in message ? message.heartbeatMs : undefined
    dispatch({ type: 'heard', ...(heartbeatMs === undefined ? {} : { heartbeatMs }) })
    if (message.type === 'ping') send({ type: 'pong' })
    handlers.message(message)
  }

  function send(message: SdkMessage): boolean {
    return sendText(encodeMessage(message))
  }

  function sendText(text: string): boolean {
    if (socket === undefined || state.phase !== 'open') return false
    socket.send(text)
    return true
  }

  return {
    get online() {
      return state.phase === 'open'
    },
    start: () => dispatch({ type: 'timer' }),
    send,
    sendText,
    stop: () => dispatch({ type: 'stop' }),
  }
}
