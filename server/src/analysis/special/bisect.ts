/** The zero of a rising function between two points, to the last bit that a double tells apart. */
export function bisect(rising: (x: number) => number, low: number, high: number): number {
  let [a, b] = [low, high]
  for (let i = 0; i < 2000; i++) {
    const middle = 0.5 * (a + b)
    if (middle === a || middle === b) break
    if (rising(middle) > 0) b = middle
    else a = middle
  }
  return 0.5 * (a + b)
}
