/** Takes an attachment's ports out of the ruleset, with everything that came with them. */

import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { type Exposed, HOST_PORTS, ownGuardedLink } from '../../lib/ruleset/host-ports-table.js'
import { ownerKey } from '../../lib/ruleset/owner.js'
import { unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { forgetConnections } from './connections.js'
import { closeLocalnet, closeLocalnets, reopen } from './localnet.js'

export function withdraw(nft: Nftables, host: Netlink, exposed: Exposed): void {
  const link = ownGuardedLink(exposed)
  if (link !== undefined) closeLocalnet(nft, link)
  unexposePorts(nft, ownerKey(exposed.owner), exposed, () => guardedTableGoes(nft))
  forgetConnections(nft, host, exposed, 'DEL')
}

/**
 * Of those that came back with a table made anew, takes out whom a DEL or GC has begun to remove since: it may have
 * looked before.
 */
export function withdrawGone(nft: Nftables, restored: readonly Exposed[], present: () => readonly Exposed[]): void {
  if (restored.length === 0) return
  const keys = new Set(present().map(({ owner }) => ownerKey(owner)))
  for (const exposed of restored) {
    const key = ownerKey(exposed.owner)
    if (!keys.has(key)) unexposePorts(nft, key, exposed, () => guardedTableGoes(nft))
  }
}

/** The table takes its guard along when it goes, so 127/8 is shut before; where it stayed after all, opened again. */
export function guardedTableGoes(nft: Nftables): () => void {
  const closed = closeLocalnets(nft)
  return () => {
    if (nft.table(HOST_PORTS.name) !== undefined) reopen(closed)
  }
}
