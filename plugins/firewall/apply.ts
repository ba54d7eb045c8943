/** Admits the container: firewalld's zone, or rules in the chains that drop; then the ingress policy. */

import type { Attachment, Progress } from '../../lib/attachment/chained.js'
import { recall } from '../../lib/attachment/recall.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { admit } from '../../lib/ruleset/admission.js'
import { type Policed, police, unpolice } from '../../lib/ruleset/ingress-policy.js'
import { hasLegacyTable } from '../../lib/ruleset/legacy-iptables.js'
import { ownerKey } from '../../lib/ruleset/owner.js'
import { listReady } from '../../lib/store/record.js'
import { warn } from '../../lib/sys/log.js'
import { addSource } from './firewalld.js'
import { type Admitted, addressesOf, PLUGIN } from './record.js'
import type { Wanted } from './wanted.js'

export function apply(
  nft: Nftables,
  { stateDir }: Attachment,
  { host, planned, owner, addresses, adminChain, end }: Wanted,
  progress: Progress<Admitted>,
): undefined {
  const { zone, bridge, policy } = planned
  if (zone !== undefined) {
    // A call that deletes an earlier holder of an address must see that it is ours, and leave its source.
    progress.announce()
    addSource(zone, addresses)
  } else {
    progress.update({ ...planned, placed: admit(nft, owner, addresses, adminChain) })
    nameLegacy(addresses)
  }
  if (bridge === undefined || policy === undefined) return
  const recorded = recall(() => others(stateDir))
  police(nft, { owner, addresses, bridge, policy }, recorded.others)
  for (const gone of recorded.gone()) unpolice(nft, ownerKey(gone.owner), gone.addresses)
  // Frames between two ports of a bridge pass no forward chain unless br_netfilter sends them there.
  if (policy === 'isolated' && end?.master !== undefined) host.links.setPort(end.index, { isolated: true })
}

/** Attachments under a policy, from the records of this boot. */
function others(stateDir: string): Policed[] {
  return listReady<Admitted>(stateDir, PLUGIN).flatMap(({ network, containerId, ifName, content }) => {
    const { bridge, policy, link } = content
    if (policy === undefined || bridge === undefined) return []
    const owner = { network, containerId, ifName, ...(link === undefined ? {} : { link }) }
    return [{ owner, addresses: addressesOf(content), bridge, policy }]
  })
}

/** A drop in legacy iptables is out of reach, and a command away. */
function nameLegacy(addresses: readonly IpAddress[]): void {
  for (const address of addresses) {
    const { family } = address
    if (!hasLegacyTable(family, 'filter')) continue
    const iptables = `ip${family === 6 ? '6' : ''}tables-legacy`
    warn(
      `legacy iptables is in use, which flatnet does not touch; if its FORWARD drops: ${iptables} -I FORWARD -s ${formatAddress(address)} -j ACCEPT`,
    )
  }
}
