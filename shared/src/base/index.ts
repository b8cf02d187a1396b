export type { Issue } from './issue.ts'
export type { JsonValue } from './json.ts'
