/** What the steps of an ADD are given. */

import type { Work } from '../../lib/interface/model.js'
import type { Paired } from '../../lib/interface/pair.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { BridgeConfig, Settings } from './config.js'
import type { Segment } from './segment.js'

export type BridgeWork = Work<BridgeConfig, Settings>

export interface Joined extends Paired {
  readonly bridge: Link
  readonly segment: Segment
}
