export { seededRandom } from '../clock/index.ts'
export { createDuplex, fairWeather, type Weather } from './duplex.ts'
export { createFakeClock, type FakeClock } from './fake-clock.ts'
export { createFakeServer, type FakeServer } from './fake-server.ts'
