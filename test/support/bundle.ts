import { rolldown } from 'rolldown'

/**
 * Bundles a TypeScript entry to one file, for a runtime that cannot strip types or has no packages. Packages of ours are taken from their
 * source; `external` ones are left to the runtime.
 */
export async function bundle(
  entry: string,
  {
    file,
    platform,
    external = [],
    define = {},
  }: {
    readonly file: string
    readonly platform: 'node' | 'browser'
    readonly external?: readonly string[]
    /** Expressions of the program and what stands for them, as code. */
    readonly define?: { readonly [expression: string]: string }
  },
): Promise<void> {
  const build = await rolldown({
    input: entry,
    platform,
    external: [...external],
    transform: { define: { ...define } },
    logLevel: 'warn',
    resolve: { conditionNames: ['source', 'import', 'default'] },
  })
  await build.write({ file, format: 'esm' })
  await build.close()
}
