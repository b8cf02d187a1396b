export type { Ingest, IngestResult, ReportingInstance } from './api.ts'
export { createIngest } from './ingest.ts'
