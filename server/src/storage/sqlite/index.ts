export { openSqlite } from './sqlite-storage.ts'
