/** The host's end of the container's veth pair: the link that is shaped. */

import { hostInterfaces } from '../../lib/attachment/previous.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import { closeContainer, inContainer, openContainer } from '../../lib/netns/namespace.js'

/** Code 7 where the previous plugins made none. */
export function hostEnd(host: Netlink, previous: Result, netns: string, ifName: string): Link {
  const veths = hostInterfaces(previous)
    .map(({ name }) => host.links.find(name))
    .filter((link): link is Link => link?.kind === 'veth')
  const [only] = veths
  if (only !== undefined && veths.length === 1) return only
  // Results before 0.3.0 list no interfaces.
  const listed = previous.interfaces !== undefined && previous.interfaces.length > 0
  const inside = listed && veths.length === 0 ? undefined : containerEnd(netns, ifName)
  const found = listed ? veths.find(({ index }) => index === inside?.peerIndex) : peerOf(host, inside)
  if (found !== undefined) return found
  const names = hostInterfaces(previous).map(({ name }) => name)
  throw new CniError(
    ErrorCode.InvalidConfig,
    `failed to find the host's end of ${ifName}: no veth of prevResult is its peer`,
    `on the host prevResult has ${names.length === 0 ? 'no interface' : names.join(', ')}; bandwidth limits veth pairs, as bridge and ptp make them`,
  )
}

function containerEnd(netns: string, ifName: string): Link | undefined {
  const file = openContainer(netns)
  try {
    const container = inContainer(file, openNetlink)
    const link = container.links.find(ifName)
    container.close()
    return link?.kind === 'veth' ? link : undefined
  } finally {
    closeContainer(file)
  }
}

/** The veth here whose other end is `inside`: each has the other's index. */
function peerOf(host: Netlink, inside: Link | undefined): Link | undefined {
  const link = inside?.peerIndex === undefined ? undefined : host.links.find(inside.peerIndex)
  return link?.kind === 'veth' && link.peerIndex === inside?.index ? link : undefined
}
