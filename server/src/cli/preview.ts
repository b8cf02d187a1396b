interface Place {
  readonly phase: string
  readonly stage?: string
  readonly weight?: number
}

export interface ShownPreview {
  readonly before: Place
  readonly after: Place
  readonly newEpoch: boolean
  readonly moves: readonly {
    readonly from: string
    readonly to: string
    readonly share: number
    readonly units: number
  }[]
  readonly moved: { readonly share: number; readonly units: number }
}

const placeText = ({ phase, stage, weight = 0 }: Place): string =>
  `${phase}${stage === undefined ? '' : `, stage ${stage}`}, ${weight} %`

/** What a command would do, in words. */
export function previewText(key: string, { before, after, newEpoch, moves, moved }: ShownPreview): string {
  const lines = moves.map(({ from, to, share, units }) => `  ${from} -> ${to}: ${share} % (${units} of those seen)`)
  return [
    `${key} would go from ${placeText(before)} to ${placeText(after)}`,
    moves.length === 0
      ? '  nobody would change sides'
      : `  ${moved.share} % of the users who are dealt out would change sides, ${moved.units} of those seen in this stage:`,
    ...lines,
    ...(newEpoch ? ['  the comparison would begin anew'] : []),
  ].join('\n')
}
