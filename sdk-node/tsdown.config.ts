import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: { index: 'src/index.ts', hono: 'src/hono.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  dts: true,
  clean: true,
  // The declarations keep the documentation.
  outputOptions: { comments: false },
  // Shared is private: its code and types go into the package.
  deps: { alwaysBundle: [/^@pipit\/shared/] },
})
