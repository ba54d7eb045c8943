/** Takes an attachment's ports out of the ruleset, with everything that came with them. */

import type { DelRequest } from '../../lib/cni/request.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { type Exposed, HOST_PORTS, ownGuardedLink } from '../../lib/ruleset/host-ports-table.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { ownerKey } from '../../lib/ruleset/owner.js'
import { removeReferencePorts } from '../../lib/ruleset/reference-portmap.js'
import { unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { sha512Hex } from '../../lib/sys/text.js'
import type { PortmapConfig } from './config.js'
import { forgetConnections } from './connections.js'
import { closeLocalnet, closeLocalnets, reopen } from './localnet.js'
import { type Tools, usingIfAny } from './tools.js'

export function withdraw({ nft, host }: Tools, exposed: Exposed): void {
  const link = ownGuardedLink(exposed)
  if (link !== undefined) closeLocalnet(nft, link)
  unexposePorts(nft, ownerKey(exposed.owner), exposed, () => guardedTableGoes(nft))
  forgetConnections(nft, host, exposed, 'DEL')
}

/** What is found of an attachment by its key. */
export function withdrawKey({ nft }: Tools, key: string): void {
  unexposePorts(nft, key, undefined, () => guardedTableGoes(nft))
}

/** The reference's, or ours whose record is lost. */
export function withdrawUnrecorded({ config, network, containerId }: DelRequest<PortmapConfig>, key: string): void {
  if ((config.runtimeConfig?.portMappings ?? []).length === 0) return
  usingIfAny((tools) => {
    withdrawKey(tools, key)
    removeReferencePorts(tools.nft, { network, containerId })
  })
  nameLegacyLeftovers('nat', `CNI-DN-${sha512Hex(network + containerId).slice(0, 21)}`)
}

/** The table takes its guard along when it goes, so 127/8 is shut before; where it stayed after all, opened again. */
export function guardedTableGoes(nft: Nftables): () => void {
  const closed = closeLocalnets(nft)
  return () => {
    if (nft.table(HOST_PORTS.name) !== undefined) reopen(closed)
  }
}
