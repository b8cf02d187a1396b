import type { Peer } from '../peer.ts'
import { configcat } from './configcat.ts'
import { featurevisor } from './featurevisor.ts'
import { flagdCompiled, flagdInterpreted } from './flagd-core.ts'
import { growthbook } from './growthbook.ts'
import { launchdarkly } from './launchdarkly.ts'
import { statsigNode } from './statsig.ts'
import { unleash } from './unleash.ts'

/** By the name they have on the command line. */
export const peers: { readonly [name: string]: Peer } = {
  flagd: flagdCompiled,
  'flagd-interpreted': flagdInterpreted,
  growthbook,
  unleash,
  featurevisor,
  launchdarkly,
  configcat,
  statsig: statsigNode,
}
