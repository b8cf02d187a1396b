import { isRuled, type TaskUser, weight } from '../decision-task.ts'

/** Beyond it a share is none of chance: once in sixteen thousand tries. */
const limit = 4

/**
 * What is wrong with the answers of an SDK, if anything: whoever a rule lets in has the canary, and of the others a tenth, within the
 * bounds of a binomial share.
 */
export async function checkAnswers(
  isCanary: (key: string, at: number) => Promise<boolean>,
  keys: readonly string[],
  users: readonly TaskUser[],
): Promise<{ readonly share: number; readonly wrong: string | undefined }> {
  let asked = 0
  let canaries = 0
  for (const key of keys) {
    for (let at = 0; at < users.length; at++) {
      const user = users[at] as TaskUser
      const canary = await isCanary(key, at)
      if (isRuled(user)) {
        if (!canary)
          return { share: Number.NaN, wrong: `${key}: ${JSON.stringify(user)} is let in by a rule, and has stable` }
      } else {
        asked++
        if (canary) canaries++
      }
    }
  }
  const expected = weight / 100
  const share = canaries / asked
  const errors = Math.abs(share - expected) / Math.sqrt((expected * (1 - expected)) / asked)
  return {
    share,
    wrong:
      errors > limit
        ? `${canaries} of ${asked} have the canary by split: ${errors.toFixed(1)} standard errors from ${weight} %`
        : undefined,
  }
}
