/** The host's end of the container's veth pair: the link that is shaped. */

import { type Ends, findEnds } from '../../lib/attachment/host-end.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'

/** Throws code 7 where the container's link has none. */
export function requireHostEnd(host: Netlink, netns: string, ifName: string): Link {
  const ends = findEnds(host, netns, ifName)
  if (ends.outside !== undefined) return ends.outside
  throw new CniError(
    ErrorCode.InvalidConfig,
    `failed to find the host's end of ${ifName}: ${reason(ends, ifName)}`,
    'bandwidth limits veth pairs, as bridge and ptp make them: chain it behind such a plugin, or leave it out of this network',
  )
}

function reason({ inside }: Ends, ifName: string): string {
  if (inside === undefined) return `no link of this host leads to a link of that name in the container`
  if (inside.kind !== 'veth') return `in the container it is a link of kind ${inside.kind ?? 'hardware'}, not a veth`
  return `the other end of the veth pair ${ifName} is not on this host`
}
