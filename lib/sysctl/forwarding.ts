/** Turns this node into a router, without taking its own IPv6 default route away. */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Family } from '../ip/address.js'
import type { Netlink } from '../netlink/netlink.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { isWritable } from '../sys/file.js'
import { warn } from '../sys/log.js'
import { readSysctl, requireSysctl } from './sysctl.js'

const FORWARDING: { readonly [F in Family]: string } = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
}
/** RTPROT_RA, include/uapi/linux/rtnetlink.h. */
const PROTOCOL_RA = 9

/** Writes nothing where the node forwards already. */
export function enableForwarding(host: Netlink, family: Family): void {
  if (host.netconf.forwards(family)) return
  if (family === 6) keepAdvertisedRoutes(host)
  requireSysctl(FORWARDING[family], '1')
}

/** For STATUS: throws code 50 where the node forwards neither family, and cannot be made to. */
export function requireForwardable(host: Netlink): void {
  const able = (family: Family) => host.netconf.forwards(family) || isWritable(`/proc/sys/${FORWARDING[family]}`)
  if (able(4) || able(6)) return
  throw new CniError(
    ErrorCode.NotAvailable,
    'the node forwards no packets, and /proc/sys cannot be written to change that',
    `set it from outside (sysctl -w ${FORWARDING[4]}=1 ${FORWARDING[6]}=1), or make /proc/sys writable here`,
  )
}

/**
 * A router ignores router advertisements, so an uplink that lives on them would lose its default route
 * some minutes from now. accept_ra=2 (Documentation/networking/ip-sysctl.rst) takes them all the same.
 */
function keepAdvertisedRoutes(host: Netlink): void {
  const routes = host.routes.list({ family: 6, table: TABLE_MAIN, protocol: PROTOCOL_RA })
  for (const index of new Set(routes.map(({ link }) => link))) {
    const name = index === undefined ? undefined : host.links.find(index)?.name
    if (name === undefined) continue
    const key = `net/ipv6/conf/${name}/accept_ra`
    if (readSysctl(key) === '2') continue
    requireSysctl(key, '2')
    warn(`${name} has IPv6 routes from router advertisements: set ${key} to 2, so that it keeps them as a router`)
  }
}
