/** What portmap works with. */

import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { openHost } from '../../lib/netns/namespace.js'
import { withRuleset, withRulesetIfAny } from '../../lib/ruleset/settle.js'

export interface Tools {
  readonly nft: Nftables
  readonly host: Netlink
}

export function using<Out>(work: (tools: Tools) => Out): Out {
  return withRuleset((nft) => work({ nft, host: openHost() }))
}

export function usingIfAny(work: (tools: Tools) => void): void {
  withRulesetIfAny((nft) => work({ nft, host: openHost() }))
}
