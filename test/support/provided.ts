/** What `vitest.config.ts` tells the tests of a project. */
declare module 'vitest' {
  export interface ProvidedContext {
    /** How often the server is killed in a run of the fault test. */
    kills: number
    /** How often its power is cut. */
    cuts: number
    /** How many random schedules are run. */
    schedules: number
  }
}

export {}
