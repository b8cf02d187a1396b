export { eventByUnit } from './event-by-unit.ts'
export {
  type CountedDecision,
  createOutcomeAggregator,
  isEvidence,
  type OutcomeAggregator,
  stratumOf,
} from './outcome-aggregator.ts'
export { isSampled } from './sample.ts'
