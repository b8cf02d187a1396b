/** The browser's own clock and randomness, in one place. */
export const now = () => Date.now()
export const random = () => Math.random()

/** An id for an `Idempotency-Key`. Where the page came over plain HTTP from another machine there is no `randomUUID`. */
export const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
