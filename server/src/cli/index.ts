export { CommandError, exitCodes } from './api-client.ts'
export { type CliParts, configOf, runCli } from './program.ts'
export { type DeclaredRollout, declarations } from './types/declarations.ts'
