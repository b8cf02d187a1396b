export type { Ingest, IngestLoad, IngestResult, ReportingInstance } from './api.ts'
export { createIngest } from './ingest.ts'
export { defaultIngestLimits, type IngestLimits } from './limits.ts'
