import { createUserAgentReader as createReader, type UserAgent } from '@pipit/shared/client'
import Bowser from 'bowser'
import { isbot } from 'isbot'

/** Reads `User-Agent` headers and remembers the last `limit` different ones; undefined for a text that says nothing. */
export const createUserAgentReader = (limit?: number): ((text: string) => UserAgent | undefined) =>
  createReader({ parse: (text) => Bowser.parse(text), isBot: isbot }, limit)
