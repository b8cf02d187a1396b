export type { Ingest, IngestResult } from './api.ts'
export { createIngest } from './ingest.ts'
