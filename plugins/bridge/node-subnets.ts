/** Subnets of pods that the node is on itself, by another link: then one of both cannot be reached. */

import { CniError, type ErrorCode } from '../../lib/cni/error.js'
import { subnetOf } from '../../lib/interface/leased-from.js'
import { isLinkLocal, isLoopback } from '../../lib/ip/address.js'
import { containsAddress, equalPrefixes, formatPrefix, type Prefix } from '../../lib/ip/prefix.js'
import type { LinkAddress } from '../../lib/netlink/addresses.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isOurs } from './ensure-bridge.js'

/** A subnet of pods, and the address of the node that is in its way. */
export interface Shared {
  readonly subnet: Prefix
  readonly link: Link
  readonly address: Prefix
}

/** Where pods cannot be reached at all, and where others cannot because of them. */
export interface SharedSubnets {
  /** The link has just the subnet of the pods. */
  readonly whole: readonly Shared[]
  readonly part: readonly Shared[]
}

/** Every address of the node that may be in the subnets. */
export function addressesFor(host: Netlink, subnets: readonly Prefix[]): LinkAddress[] {
  return ([4, 6] as const)
    .filter((family) => subnets.some(({ address }) => address.family === family))
    .flatMap((family) => host.addresses.list(0, family))
}

/** What other links than the bridge (`name`, and the gateways of its VLANs) have in the subnets; `known` is all there is. */
export function sharedSubnets(
  host: Netlink,
  name: string,
  subnets: readonly Prefix[],
  known: readonly LinkAddress[] = addressesFor(host, subnets),
): SharedSubnets {
  const found: { whole: Shared[]; part: Shared[] } = { whole: [], part: [] }
  for (const { prefix, linkIndex, noPrefixRoute } of known) {
    const subnet = subnets.find((one) => containsAddress(one, prefix.address))
    if (subnet === undefined || isOfNoSegment(prefix)) continue
    const link = host.links.find(linkIndex)
    if (link === undefined || isPods(host, link, name)) continue
    const list = equalPrefixes(subnetOf(prefix), subnet) && !noPrefixRoute ? found.whole : found.part
    list.push({ subnet, link, address: prefix })
  }
  return found
}

/** An address alone, as of a tunnel's end, has no neighbours that pods could hide. */
function isOfNoSegment({ address, length }: Prefix): boolean {
  return isLoopback(address) || isLinkLocal(address) || length === address.bytes.length * 8
}

/** Whether pods are behind a link, or it has a routing table of its own (VRF). */
function isPods(host: Netlink, link: Link, name: string): boolean {
  if (link.name === name || link.name.startsWith(`${name}.`) || isOurs(link)) return true
  return link.master !== undefined && link.master !== 0 && host.links.find(link.master)?.kind === 'vrf'
}

/** `code` 7 for ADD, 50 for STATUS. */
export function nodeOwnsSubnet(code: ErrorCode, bridge: string, { subnet, link, address }: Shared): CniError {
  return new CniError(
    code,
    `pods cannot have ${formatPrefix(subnet)}: it is the subnet of this node's own link ${link.name}`,
    `${link.name} has ${formatPrefix(address)}, and packets to pods would leave by it instead of ${bridge}: lease from another subnet, or make ${link.name} a port of ${bridge} and give its address to ${bridge}`,
  )
}
