/** The numbers of a stored user-bucket table: 256 rows of n, failed, timed, over… */
export function readTable(bytes: Buffer): Float64Array {
  // A blob may lie at any offset of its buffer; a Float64Array has to begin at a multiple of eight.
  return new Float64Array(Uint8Array.from(bytes).buffer)
}
