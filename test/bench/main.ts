/** `npm run bench [-- hash | decide | rules | allocation | cohort | ingest | judge | load | page …]`: each in a process of its own, one after the other. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const known = ['hash', 'decide', 'rules', 'allocation', 'cohort', 'ingest', 'judge', 'load', 'page']
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known
for (const name of wanted) {
  if (!known.includes(name)) {
    console.error(`there is no benchmark "${name}"; there are ${known.join(', ')}`)
    process.exit(2)
  }
  console.log(`\n══ ${name} ══`)
  const done = spawnSync(process.execPath, [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))], {
    stdio: 'inherit',
  })
  if (done.status !== 0) process.exit(done.status ?? 1)
}
