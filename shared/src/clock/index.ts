export type { Cancel, Clock, Random } from './clock.ts'
export { type Duration, formatDuration, parseDuration } from './duration.ts'
export { seededRandom } from './seeded-random.ts'
