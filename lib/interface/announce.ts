/**
 * An address may have been another container's a second ago. So that it answers at once, its new owner is announced to
 * the segment where that may remember another MAC. Not otherwise: an announcement goes to every port of the bridge, and
 * with a thousand of them takes as long as all else that an ADD does.
 */

import { messageOf } from '../cni/error.js'
import { announcement } from '../ethernet/announcement.js'
import { openPacketSocket, sendFrame } from '../ethernet/packet-socket.js'
import type { Family, IpAddress } from '../ip/address.js'
import { parseMac } from '../ip/mac.js'
import type { Netlink } from '../netlink/netlink.js'
import { sleep } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { warn } from '../sys/log.js'
import { preferSysctl } from '../sysctl/sysctl.js'
import type { ContainerEnd } from './model.js'

/** How a container's addresses are made known. */
export interface Announcer {
  /** A packet socket in the container, where the kernel could not be told to announce by itself. */
  readonly socket: number | undefined
}

/**
 * To be prepared inside the container: the kernel announces what is on a link when its MAC is set (IPv4, since
 * `configure`, in any case). Raw frames are the other way, and the second choice: closing a packet socket waits for every
 * CPU, some 10 ms.
 */
export function prepareAnnouncer(ifName: string, families: readonly Family[]): Announcer {
  const ndisc = families.includes(6) ? preferSysctl(`net/ipv6/conf/${ifName}/ndisc_notify`, '1') : undefined
  return { socket: ndisc === 'refused' ? openSocket() : undefined }
}

/** Undefined where raw packets are not allowed either. */
function openSocket(): number | undefined {
  try {
    return openPacketSocket()
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES', 'EAFNOSUPPORT')) throw error
    warn(`addresses are not announced to the segment: ${messageOf(error)}`)
    return undefined
  }
}

/** For a link whose carrier the bridge has seen. Nothing here is worth failing an ADD for. */
export function announce(
  { socket }: Announcer,
  container: Netlink,
  { index, mac, name }: ContainerEnd,
  addresses: readonly IpAddress[],
): void {
  try {
    if (socket === undefined) container.links.change(index, { mac })
    else for (const address of addresses) sendFrame(socket, index, announcement(parseMac(mac) as Uint8Array, address))
  } catch (error) {
    if (!isErrno(error, 'ENETDOWN', 'ENOBUFS', 'ENXIO', 'ENODEV', 'EBUSY', 'EOPNOTSUPP')) throw error
    warn(`${name} is not announced to the segment: ${messageOf(error)}`)
  }
}

/**
 * Waits until the kernel has noticed a link's carrier. Asking is what makes it notice (Linux 6.8);
 * an older one does it by itself within a millisecond or two, and until then the bridge drops our frames.
 */
export function awaitCarrier(host: Netlink, index: number): void {
  const ATTEMPTS = 25
  for (let n = 0; host.links.operationalState(index) !== 'up' && n < ATTEMPTS; n++) sleep(1)
}
