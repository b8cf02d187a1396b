import type { JsonValue } from '../base/index.ts'
import type { Decision } from '../decide/index.ts'

/** What a program may know of one rollout: the names of its variants, and what their payloads look like. */
export interface RolloutType {
  readonly variant: string
  /** `undefined` is always among them: that is the payload while there is no ruleset. */
  readonly payload: unknown
}

/** What `pipit types` writes: each rollout by its key. Bounds a type by itself, because an interface has no index signature. */
export type RolloutTypes<R> = { readonly [K in keyof R]: RolloutType }

/** Where nothing is known: every key is a text, and so is every variant. */
export interface AnyRollouts {
  readonly [key: string]: { readonly variant: string; readonly payload: JsonValue | undefined }
}

export type RolloutKey<R> = keyof R & string

/** The rollout that calls without one mean, unless it is told: any where keys are texts, none where they are known. */
export type NoDefault<R> = string extends RolloutKey<R> ? RolloutKey<R> : never

export type VariantOf<R extends RolloutTypes<R>, K extends RolloutKey<R>> = R[K]['variant']

/** A decision with what is known of its rollout in it. */
export type DecisionOf<R extends RolloutTypes<R>, K extends RolloutKey<R>> =
  string extends RolloutKey<R>
    ? Decision
    : {
        readonly [P in K]: Omit<Decision, 'rollout' | 'variant' | 'payload'> & {
          readonly rollout: P
          readonly variant: R[P]['variant']
          readonly payload: R[P]['payload']
        }
      }[K]

/** A path for each variant: one that is missing, or none of them, is a fault of the program. */
export type Paths<T, V extends string = string> = { readonly [variant in V]: () => T | Promise<T> }

/**
 * The last argument of a call: the rollout's key, or options `O` that may name it; it may be left out where there is a default `D`. A
 * template literal takes texts alone, so that options without a rollout are not taken for one. Nothing is inferred by it from a `string`
 * that is no literal: where `All` keys are texts, any text will do.
 */
export type Which<O, K extends string, D extends string, All extends string> = [D] extends [never]
  ? [rollout: `${K}` | (O & { readonly rollout: K })]
  : string extends All
    ? [rollout?: string | O | undefined]
    : [rollout?: `${K}` | O | undefined]

/** The part of the options that says which rollout is the default: it is in the value where it is in the type. */
export type DefaultRollout<D extends string> = [D] extends [never]
  ? { readonly rollout?: never }
  : string extends D
    ? { readonly rollout?: string }
    : { readonly rollout: D }
