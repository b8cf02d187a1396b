/** What ingest takes on at once. */
export interface IngestLimits {
  /** Reports that may wait for a commit; beyond, SDKs are told to come back. */
  readonly queuedReports: number
  /** The same by `reportWeight`: 1 is an exposed unit, some 10 µs. */
  readonly queuedWeight: number
  /** Reports that one transaction takes while more wait: for so long nothing else happens in the process. */
  readonly batchReports: number
  /** The same by `reportWeight`. A report beyond it has a transaction of its own. */
  readonly batchWeight: number
  /** How long the sequence of a server that is silent is remembered: longer than any outage after which it may repeat a report. */
  readonly sequenceDays: number
  /** The same of a page, which keeps its reports in memory alone; each page that was ever opened leaves one. */
  readonly pageSequenceHours: number
}

export const defaultIngestLimits: IngestLimits = {
  queuedReports: 2000,
  queuedWeight: 200_000,
  batchReports: 200,
  batchWeight: 20_000,
  sequenceDays: 7,
  pageSequenceHours: 24,
}
