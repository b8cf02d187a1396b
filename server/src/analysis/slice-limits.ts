/** Values of a slice that are kept apart, and instances told apart in exposures; what comes later is `(other)`. */
export const sliceLimits = { values: 16, instances: 1000 } as const
