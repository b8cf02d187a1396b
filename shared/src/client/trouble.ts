import type { Logger } from './platform.ts'

/** Kinds remembered; beyond it every further kind is one. */
const maxKinds = 200

/** Says what goes wrong: to listeners always, to the log once per kind. */
export interface Trouble {
  readonly tell: (code: string, message: string) => void
  last(): string | undefined
}

export function createTrouble(log: Logger, emit: (code: string, message: string) => void): Trouble {
  const told = new Set<string>()
  let last: string | undefined
  return {
    tell(code, message) {
      last = `${code}: ${message}`
      emit(code, message)
      const kind = told.size < maxKinds ? code : 'other'
      if (told.has(kind)) return
      told.add(kind)
      try {
        log.warn(`pipit: ${message} (${code}; said once)`)
      } catch {
        // A logger of the application that fails is not ours to mend.
      }
    },
    last: () => last,
  }
}
