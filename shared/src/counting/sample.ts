/** Whether a unit, by its hash, is in the share of units that is reported. */
export function isSampled(share: number, hash: string): boolean {
  return Number.parseInt(hash.slice(0, 8), 16) < share * 4_294_967_296
}
