import {
  type CompiledRuleset,
  type DecideContext,
  type DecideEnvironment,
  type PageRuleset,
  projectPage,
  type User,
} from '@pipit/shared/client'

/**
 * What a page may know, decided for one user; undefined where there is no ruleset. Rollouts whose `deadmanMs` this process has been without the
 * server give stable, as they do here: a page counts from its own beginning, so that each new one would serve the canary that long again.
 */
export function pageFor(
  compiled: CompiledRuleset | undefined,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment & { readonly silentMs: number },
): PageRuleset | undefined {
  const { silentMs } = environment
  const forced: DecideEnvironment['forced'] = ({ source: { deadmanMs = Number.POSITIVE_INFINITY } }) =>
    silentMs >= deadmanMs ? 'deadman' : undefined
  return compiled && projectPage(compiled, user, context, { ...environment, forced })
}

/**
 * The text of a `<script type="application/json">` element that hands a page what `pageRuleset` made: JSON in ASCII, without `<`, `>` and `&`, so that
 * no name and no payload ends the element or opens a comment in it, whatever the encoding of the page. Such an element is data: no content security
 * policy forbids it, and it needs no nonce. Put it into the page as it is: a template that escapes it breaks it. `null` for undefined.
 *
 * @example
 * ```ts
 * const html = `<script type="application/json" id="pipit">${pageScript(sdk.pageRuleset(user))}</script>`
 * // in the page: createClient({ …, bootstrap: JSON.parse(document.getElementById('pipit').textContent) })
 * ```
 */
export function pageScript(pageRuleset: PageRuleset | undefined): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  // Outside of its texts JSON has none of these.
  return JSON.stringify(pageRuleset ?? null).replace(/[<>&\u007f-\uffff]/g, escaped)
}
