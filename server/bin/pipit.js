#!/usr/bin/env node
// Plain JavaScript on purpose: an older Node cannot read the sources, and its SQLite driver would crash without a word.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 18)) await import('../src/main.ts')
else {
  process.stderr.write(
    `Pipit needs Node 22.18 or newer; this is ${process.versions.node} (${process.execPath}).\nIn a clone of the repository \`npm start\` uses the Node that \`npm ci\` brought.\n`,
  )
  process.exitCode = 2
}
