/** Admits the container: firewalld's zone, and rules in the other chains that drop; then the ingress policy. */

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
import { addSource, FIREWALLD_TABLE } from './firewalld.js'
import { type Admitted, addressesOf, PLUGIN, SHAPE } from './record.js'
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
  }
  // What firewalld accepts, chains of others may still drop.
  const except = zone === undefined ? undefined : FIREWALLD_TABLE
  progress.update({ ...planned, placed: admit(nft, owner, addresses, adminChain, except) })
  nameLegacy(addresses)
  if (bridge === undefined || policy === undefined) return
  const recorded = recall(() => others(stateDir))
  police(nft, { owner, addresses, bridge, policy }, recorded.others)
  for (const gone of recorded.gone()) unpolice(nft, ownerKey(gone.owner), gone.addresses)
  // Frames between two ports of a bridge pass no forward chain unless br_netfilter sends them there.
  if (policy === 'isolated' && end?.master !== undefined) host.links.setPort(end.index, { isolated: true })
}

/** Attachments under a policy, from the records of this boot. */
function others(stateDir: string): Policed[] {
  return listReady<Admitted>(stateDir, PLUGIN, SHAPE).flatMap(({ network, containerId, ifName, content }) => {
    const { bridge, policy, link } = content
    if (policy === undefined || bridge === undefined) return []
    const owner = { network, containerId, ifName, ...(link === undefined ? {} : { link }) }
    return [{ owner, addresses: addressesOf(content), bridge, policy }]
  })
}

/** A drop in legacy iptables is out of reach, and two commands away. */
function nameLegacy(addresses: readonly IpAddress[]): void {
  for (const address of addresses) {
    const { family } = address
    if (!hasLegacyTable(family, 'filter')) continue
    const insert = `ip${family === 6 ? '6' : ''}tables-legacy -I FORWARD`
    const own = formatAddress(address)
    const wanted = '-m conntrack --ctstate RELATED,ESTABLISHED,DNAT'
    warn(
      `legacy iptables is in use, which flatnet does not touch; if its FORWARD drops: ${insert} -s ${own} -j ACCEPT; ${insert} -d ${own} ${wanted} -j ACCEPT`,
    )
  }
}
