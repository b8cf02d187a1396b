import { defineConfig, type UserConfig } from 'tsdown'

const shared: UserConfig = {
  target: 'es2022',
  platform: 'browser',
  minify: true,
  // The declarations keep the documentation.
  outputOptions: { comments: false, entryFileNames: '[name].js' },
  // Shared is private: its code and types go into the package.
  deps: { alwaysBundle: [/^@pipit\/shared/] },
  clean: false,
}

/** Each entry by itself, so that a page loads one file and nothing that it does not use. */
const modules = ['index', 'decide', 'errors', 'vitals'].map(
  (name): UserConfig => ({
    ...shared,
    entry: { [name]: `src/${name}.ts` },
    format: 'esm',
    dts: true,
  }),
)

export default defineConfig([
  ...modules,
  // React is the page's own. Frameworks that split server from browser components are told which these are.
  {
    ...shared,
    entry: { react: 'src/react.ts' },
    format: 'esm',
    dts: true,
    deps: { ...shared.deps, neverBundle: ['react'] },
    outputOptions: { ...shared.outputOptions, banner: "'use client'" },
  },
  // For script tags: `pipit.createClient(…)`, and `pipitErrors.watchErrors(sdk)` for those who want it.
  ...(
    [
      ['pipit', 'index', 'pipit'],
      ['pipit-errors', 'errors', 'pipitErrors'],
    ] as const
  ).map(
    ([file, source, globalName]): UserConfig => ({
      ...shared,
      entry: { [file]: `src/${source}.ts` },
      format: 'iife',
      globalName,
      dts: false,
      outputOptions: { ...shared.outputOptions, generatedCode: { symbols: false } },
    }),
  ),
])
