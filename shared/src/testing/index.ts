export { seededRandom } from '../clock/index.ts'
export { createFakeClock, type FakeClock } from './fake-clock.ts'
export { createFakeServer, type FakeServer, fairWeather, type Weather } from './fake-server.ts'
