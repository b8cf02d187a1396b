import { defineConfig } from 'vitest/config'

/** SDKs are tested from their source; what is built is tested in `package`. */
const resolve = { conditions: ['source', 'module', 'node', 'default'] }

const project = (name: string, include: string[], extra: object = {}) => ({
  resolve,
  ssr: { resolve },
  test: {
    name,
    include,
    exclude: ['**/node_modules/**', '**/dist/**'],
    // As for tests: what is waited for comes, or it does not; how soon is for benchmarks.
    expect: { poll: { timeout: 20_000 } },
    ...extra,
  },
})

export default defineConfig({
  test: {
    projects: [
      // Busy machines are slow: how long a test takes decides nothing.
      project('unit', ['{shared,server,sdk-node,sdk-browser}/src/**/*.test.ts'], { testTimeout: 60_000 }),
      project('conformance', ['test/conformance/**/*.test.ts'], { testTimeout: 120_000 }),
      project('package', ['test/package/**/*.test.ts'], { testTimeout: 180_000 }),
      project('e2e', ['test/e2e/**/*.test.ts'], { testTimeout: 120_000, fileParallelism: false }),
      project('simulation', ['test/simulation/**/*.test.ts'], { testTimeout: 600_000 }),
      project('faults', ['test/faults/**/*.test.ts'], {
        testTimeout: 300_000,
        fileParallelism: false,
        provide: { kills: 6, cuts: 6, schedules: 20 },
      }),
      project('faults-long', ['test/faults/{exactly-once,power-cut,schedules}.test.ts'], {
        testTimeout: 1_800_000,
        fileParallelism: false,
        provide: { kills: 50, cuts: 30, schedules: 1000 },
      }),
    ],
  },
})
