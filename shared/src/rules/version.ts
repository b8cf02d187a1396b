/**
 * A text that orders versions by plain comparison: numbers padded, a release after its prereleases (`~` sorts last), build
 * metadata and a leading `v` left out. `1.2.3-rc.1` < `1.2.3`.
 */
export function versionKey(value: unknown): string {
  const text = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '0'
  const parts = text.replace(/^v|\+.*$/g, '').split(/[-.]/)
  if (parts.length === 3) parts.push('~')
  return parts.map((part) => (/^\d+$/.test(part) ? part.padStart(12, ' ') : part)).join('-')
}
