import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { defaultLimits } from './limits.ts'

it('the README names every limit of pages with its default', () => {
  const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8')
  const told = [...readme.matchAll(/^\| `(\w+)`.* \| (\d+) \|$/gm)].map(([, name, value]) => [name, Number(value)])
  const ofPages = Object.entries(defaultLimits).filter(([name]) => /page/i.test(name))
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(ofPages))
})
