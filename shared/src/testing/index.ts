export { createFakeClock, type FakeClock } from './fake-clock.ts'
export { seededRandom } from './seeded-random.ts'
