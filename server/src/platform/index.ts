export { systemClock } from './clock.ts'
export { createLog, type Log, type LogLevel, logLevels } from './log.ts'
export { queryPrometheus } from './prometheus.ts'
export { createUserAgentReader } from './user-agent.ts'
