/** One candidate of a comparison: `run` does `perRound` operations. */
export interface Candidate<R extends number | Promise<number> = number> {
  readonly name: string
  readonly run: () => R
}

export interface Timing {
  readonly name: string
  /** Median over the rounds, nanoseconds for one operation. */
  readonly nanoseconds: number
  /** The quickest round: the least that others on the machine took away. */
  readonly best: number
  /** Against the first candidate. */
  readonly ratio: number
}

/** Lets nothing be optimised away. */
export let sink = 0

/**
 * Times candidates side by side: all in each round, in an order that turns from round to round, so that noise of the machine meets
 * all alike. Only the ratios travel to another machine.
 *
 * @param untimed runs right before each timed one, so that none pays for what another left in the caches: after another SDK the first
 * pass over 10 000 users takes twice as long as the third.
 */
export function sideBySide(
  candidates: readonly Candidate[],
  perRound: number,
  rounds = 15,
  untimed = 0,
): readonly Timing[] {
  const times = candidates.map((): number[] => [])
  for (let warm = 0; warm < 3; warm++) for (const candidate of candidates) sink += candidate.run()
  for (const at of turns(candidates.length, rounds)) {
    const { run } = candidates[at] as Candidate
    for (let again = 0; again < untimed; again++) sink += run()
    const began = performance.now()
    sink += run()
    times[at]?.push(((performance.now() - began) * 1e6) / perRound)
  }
  return timings(candidates, times)
}

/** As `sideBySide`, with candidates of which some promise their result. */
export async function sideBySideAwaited(
  candidates: readonly Candidate<number | Promise<number>>[],
  perRound: number,
  rounds = 15,
  untimed = 0,
): Promise<readonly Timing[]> {
  const times = candidates.map((): number[] => [])
  for (let warm = 0; warm < 3; warm++) for (const candidate of candidates) sink += await candidate.run()
  for (const at of turns(candidates.length, rounds)) {
    const { run } = candidates[at] as Candidate<number | Promise<number>>
    for (let again = 0; again < untimed; again++) sink += await run()
    const began = performance.now()
    sink += await run()
    times[at]?.push(((performance.now() - began) * 1e6) / perRound)
  }
  return timings(candidates, times)
}

function* turns(count: number, rounds: number): Generator<number> {
  for (let round = 0; round < rounds; round++) for (let i = 0; i < count; i++) yield (i + round) % count
}

function timings(candidates: readonly { readonly name: string }[], times: readonly number[][]): readonly Timing[] {
  const medians = times.map((own) => own.sort((a, b) => a - b)[Math.floor(own.length / 2)] as number)
  return candidates.map(({ name }, i) => ({
    name,
    nanoseconds: medians[i] as number,
    best: Math.min(...(times[i] ?? [])),
    ratio: (medians[i] as number) / (medians[0] as number),
  }))
}

export function printTimings(title: string, timings: readonly Timing[]): void {
  console.log(`\n${title}`)
  for (const { name, nanoseconds, ratio } of timings)
    console.log(`  ${name.padEnd(44)} ${nanoseconds.toFixed(1).padStart(9)} ns  ${ratio.toFixed(2).padStart(6)} x`)
}
