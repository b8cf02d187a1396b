export type StorageErrorCode =
  | 'cannot-open'
  | 'not-a-database'
  | 'newer-version'
  | 'disk-full'
  | 'read-only'
  | 'busy'
  | 'failed'

/** A database that did not do what was asked: nothing of the transaction was applied. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
