/** Longest text that is looked at as a version. */
const lengthLimit = 128

/**
 * A text that orders versions by plain comparison: numbers padded, a release after its prereleases (`~` sorts last), build
 * metadata and a leading `v` left out. `1.2.3-rc.1` < `1.2.3`. What is no version orders as `0`.
 */
export function versionKey(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  const known = typeof text === 'string' && text !== '' && text.length <= lengthLimit ? text : '0'
  const parts = known.replace(/^v|\+.*$/g, '').split(/[-.]/)
  if (parts.length === 3) parts.push('~')
  return parts.map((part) => (/^\d+$/.test(part) ? part.padStart(20, ' ') : part)).join('-')
}
