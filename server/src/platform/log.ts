export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

type Fields = { readonly [name: string]: string | number | boolean | undefined }

/** Plain lines for people and grep: `2026-11-20T22:33:00.000Z WARN  what happened key=value`. */
export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
}

/** Writes lines of `level` and above. A line never holds a raw line break: nothing that comes from outside can forge one. */
export function createLog(level: LogLevel, write: (line: string) => void, now: () => number): Log {
  const least = logLevels.indexOf(level)
  const at =
    (own: LogLevel) =>
    (message: string, fields: Fields = {}): void => {
      if (logLevels.indexOf(own) < least) return
      const pairs = Object.entries(fields).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${shown(value)}`],
      )
      const line = [new Date(now()).toISOString(), own.toUpperCase().padEnd(5), oneLine(message), ...pairs].join(' ')
      write(`${line}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

const shown = (value: string | number | boolean): string => {
  const text = String(value)
  return /^[\w./:@%+-]+$/.test(text) ? text : JSON.stringify(text)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ')
