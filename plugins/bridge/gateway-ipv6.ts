/**
 * IPv6 on the link that has the gateway's addresses, where sysctl turned it off: on a bridge of ours it is turned on, as
 * it is in the container. The node's other links stay as they are.
 */

import { isLinkLocal, isLoopback } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isWritable } from '../../lib/sys/file.js'
import { warn } from '../../lib/sys/log.js'
import { ipv6IsOff, isIpv6Off, turnIpv6On } from '../../lib/sysctl/ipv6.js'
import { isOurs } from './ensure-bridge.js'

export interface GatewayLink {
  /** The bridge, or the link into one of its VLANs. */
  readonly link: Link
  readonly bridge: Link
  /** The network has no IPv4. */
  readonly onlyIpv6: boolean
}

/** Turns it on. Throws code 50 with the sysctl where it is not ours to turn on, or of no use. */
export function giveIpv6(host: Netlink, { link, bridge, onlyIpv6 }: GatewayLink, what: string): void {
  if (onlyIpv6 && isWithoutIpv6(host, link.name)) throw ipv6IsOff(what, 'all')
  if (!isOurs(bridge) || !turnIpv6On(link.name)) throw ipv6IsOff(what, link.name)
  warn(`IPv6 was off on ${link.name} by sysctl: turned on, as the network has IPv6 addresses`)
}

/** For STATUS, before there is an address: throws code 50 where `giveIpv6` would. */
export function requireIpv6(host: Netlink, bridge: Link | undefined, name: string, onlyIpv6: boolean): void {
  const what = `network needs IPv6 on bridge "${name}"`
  if (onlyIpv6 && isWithoutIpv6(host, name)) throw ipv6IsOff(what, 'all')
  const concerned = bridge === undefined ? 'default' : name
  if (!isIpv6Off(concerned)) return
  const ours = bridge === undefined || isOurs(bridge)
  if (!ours || !isWritable(`/proc/sys/net/ipv6/conf/${concerned}/disable_ipv6`)) throw ipv6IsOff(what, concerned)
}

/**
 * Whether IPv6 is off for the whole node: by `all`, and no link but `ours` has an address that others can reach. Pods that
 * have nothing else could reach nothing then.
 */
export function isWithoutIpv6(host: Netlink, ours: string): boolean {
  if (!isIpv6Off('all')) return false
  return !host.addresses
    .list(0, 6)
    .filter(({ prefix: { address } }) => !isLoopback(address) && !isLinkLocal(address))
    .some(({ linkIndex }) => host.links.find(linkIndex)?.name.split('.')[0] !== ours)
}
