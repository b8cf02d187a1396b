import { createHash } from 'node:crypto'
import { encodeMessage, parseServerMessage, type Report } from '@pipit/shared/protocol'
import WebSocket from 'ws'
import type { TestServer } from '../support/server.ts'
import { hello } from './malformed-sockets.ts'

/** A socket that sends one report after the other, each as soon as the one before is acknowledged. */
export interface Writer {
  readonly instance: string
  /** In order of their sequence, from 1 on. */
  readonly sent: readonly Report[]
  /** The sequence acknowledged last. */
  readonly acked: number
  /** How long each acknowledgement took, milliseconds. */
  readonly tookMs: readonly number[]
  stop(): Promise<void>
}

const rows = 40

function reportOf(instance: string, seq: number, rollout: string): Report {
  const cell = { rollout, epoch: 1, variant: 'canary', stratum: 'split' } as const
  const buckets = Array.from({ length: rows }, (_, bucket) => [bucket, 2, bucket % 5 === 0 ? 1 : 0, 0]).flat()
  const unit = createHash('sha256').update(`${instance} ${seq}`).digest('hex').slice(0, 16)
  return {
    type: 'report',
    seq,
    outcomes: [{ ...cell, thresholds: 0, columns: 4, buckets }],
    exposures: [{ ...cell, reason: 'split', units: [unit] }],
  }
}

/** @param pauseMs between an acknowledgement and the next report. */
export function createWriter(server: TestServer, instance: string, rollout: string, pauseMs = 0): Promise<Writer> {
  const sent: Report[] = []
  const tookMs: number[] = []
  let acked = 0
  let isOver = false
  let sentAt = 0
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${server.serverKey}` },
  })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))

  function send(again = false): void {
    if (isOver) return
    if (!again) sent.push(reportOf(instance, sent.length + 1, rollout))
    const newest = sent.at(-1)
    sentAt = performance.now()
    if (newest !== undefined) socket.send(encodeMessage(newest))
  }

  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('open', () => socket.send(hello(instance)))
    socket.on('message', (data) => {
      const parsed = parseServerMessage(data.toString())
      if (!parsed.ok) throw new Error(parsed.error.message)
      const { message } = parsed
      if (message.type === 'ruleset') {
        resolve({
          instance,
          sent,
          tookMs,
          get acked() {
            return acked
          },
          stop() {
            isOver = true
            socket.close()
            return closed
          },
        })
        send()
      } else if (message.type === 'ack') {
        acked = message.seq
        tookMs.push(performance.now() - sentAt)
        if (pauseMs === 0) send()
        else setTimeout(send, pauseMs)
      } else if (message.type === 'error' && message.seq !== undefined) setTimeout(() => send(true), 50)
      else if (message.type === 'ping') socket.send('{"type":"pong"}')
    })
  })
}
