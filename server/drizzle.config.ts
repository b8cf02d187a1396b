import { defineConfig } from 'drizzle-kit'

/** `npx drizzle-kit generate` after a change of the schema; the server applies what is new when it opens a database. */
export default defineConfig({
  dialect: 'sqlite',
  schema: ['./src/storage/sqlite/schema.ts', './src/storage/sqlite/evidence-schema.ts'],
  out: './src/storage/sqlite/migrations',
})
