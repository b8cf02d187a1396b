export { alternativeRates, logHarmEvalue } from './harm-e-value.ts'
export type { Issue } from './issue.ts'
export type { JsonValue } from './json.ts'
export { utf8 } from './utf8.ts'
