export { createFakeClock, type FakeClock } from './fake-clock.ts'
export { createFakeServer, type FakeServer, fairWeather, type Weather } from './fake-server.ts'
export { seededRandom } from './seeded-random.ts'
