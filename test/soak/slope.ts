/** How a series of measurements goes up or down. */
export interface Slope {
  /** Of the line of least squares. */
  readonly perMinute: number
  /** Half the width of its 95 % interval; not a number below three points. */
  readonly uncertainty: number
  readonly first: number
  readonly last: number
}

/** The line of least squares through `[minute, value]`. */
export function slopeOf(points: readonly (readonly [minute: number, value: number])[]): Slope {
  const n = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  const xx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const perMinute = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / xx
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - perMinute * (x - meanX)) ** 2, 0)
  return {
    perMinute,
    uncertainty: 1.96 * Math.sqrt(residual / (n - 2) / xx),
    first: points[0]?.[1] ?? Number.NaN,
    last: points.at(-1)?.[1] ?? Number.NaN,
  }
}
