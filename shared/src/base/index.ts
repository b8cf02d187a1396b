export { alternativeRates, logHarmEvalue } from './harm-e-value.ts'
export type { Issue } from './issue.ts'
export type { JsonValue } from './json.ts'
export { utf8, utf8Into } from './utf8.ts'
