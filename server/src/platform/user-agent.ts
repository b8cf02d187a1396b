import { createUserAgentReader as createReader, type UserAgent } from '@pipit/shared/decide'
import Bowser from 'bowser'
import { isbot } from 'isbot'

/** Reads `User-Agent` headers as sdk-node does. */
export const createUserAgentReader = (): ((text: string) => UserAgent | undefined) =>
  createReader({ parse: (text) => Bowser.parse(text), isBot: isbot })
