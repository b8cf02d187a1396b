import type {
  AnyRollouts,
  Client,
  DecideContext,
  NoDefault,
  PageRuleset,
  RolloutKey,
  RolloutTypes,
  User,
} from '@pipit/shared/client'

/** The SDK in Node: `Client`, and what a server that renders pages needs besides. */
export interface NodeClient<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>>
  extends Client<R, D> {
  /**
   * What a page of this user's may know, to start deciding from before it has talked to the server: the rollouts that are marked `browser: true`,
   * with what rules, cohorts and overrides decided for this user, and nothing of how they did or of anybody else. The page decides from it as this
   * process does. Nobody counts as exposed by it; the page tells who was. Undefined before the first ruleset: the page then starts without.
   *
   * The user is believed: give the one whom your server knows, not one whom the page names.
   */
  pageRuleset(user: User | undefined, context?: DecideContext): PageRuleset | undefined
}
