export { CommandError, exitCodes } from './api-client.ts'
export { type CliParts, configOf, runCli } from './program.ts'
