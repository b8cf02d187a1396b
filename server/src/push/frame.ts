import { encodeMessage, type ServerMessage } from '@pipit/shared/protocol'

const finalText = 0x81

/**
 * One whole text frame of a server (RFC 6455 section 5.2: final, unmasked, uncompressed), header and payload in one piece: the same bytes
 * go to any number of sockets, each in one write.
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = finalText
  if (start === 2) frame[1] = length
  else if (start === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write(text, start)
  return frame
}

export const messageFrame = (message: ServerMessage): Buffer => textFrame(encodeMessage(message))

export const pingFrame: Buffer = messageFrame({ type: 'ping' })
export const pongFrame: Buffer = messageFrame({ type: 'pong' })
