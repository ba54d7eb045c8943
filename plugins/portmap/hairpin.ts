/**
 * A container that calls its own host port. Where bridged packets pass iptables and nftables (bridge-nf-call-iptables),
 * the kernel bridges such a packet back out of the port it came from, which a port does not do unless told.
 */

import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { readSysctl } from '../../lib/sysctl/sysctl.js'

export function allowHairpin(host: Netlink, link: Link | undefined, families: readonly (4 | 6)[]): void {
  if (link?.master === undefined || link.port?.hairpin === true) return
  const called = families.some(
    (family) => readSysctl(`net/bridge/bridge-nf-call-ip${family === 6 ? '6' : ''}tables`) === '1',
  )
  if (called) host.links.setPort(link.index, { hairpin: true })
}
