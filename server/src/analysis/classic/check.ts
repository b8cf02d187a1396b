/** Refuses what is no number, with the argument's name: a NaN that travels would come out as a verdict. Throws `RangeError`. */
export function mustBeFinite(values: { readonly [name: string]: number }): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isFinite(value)) throw new RangeError(`${name} must be a finite number, not ${value}`)
  }
}

/** Refuses a list with anything that is no number, by its name and place. Throws `RangeError`. */
export function mustBeFiniteList(name: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw new RangeError(`${name}[${i}] must be a finite number, not ${values[i]}`)
  }
}

/** Refuses counts that cannot be: 0 ≤ x ≤ n of each arm. Throws `RangeError`. */
export function mustBeCounts({ n1, x1, n0, x0 }: { readonly [K in 'n1' | 'x1' | 'n0' | 'x0']: number }): void {
  mustBeFinite({ n1, x1, n0, x0 })
  if (x1 < 0 || x0 < 0 || x1 > n1 || x0 > n0) {
    throw new RangeError(`counts must have 0 ≤ x ≤ n, not ${x1} of ${n1} and ${x0} of ${n0}`)
  }
}

/** Refuses what is no probability strictly between 0 and 1. Throws `RangeError`. */
export function mustBeProbability(values: { readonly [name: string]: number }): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value > 0 && value < 1)) throw new RangeError(`${name} must be between 0 and 1, not ${value}`)
  }
}
