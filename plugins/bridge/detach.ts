/** Takes an attachment's links away, only where they are its own. What throws here may have left a link alive. */

import { keyInAlias } from '../../lib/attachment/link-identity.js'
import { findOwnLink } from '../../lib/interface/own-link.js'
import type { IpAddress } from '../../lib/ip/address.js'
import { parsePrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import { inContainerIfPresent } from '../../lib/netns/namespace.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import type { Attached } from './attached.js'
import { forgetNeighbours } from './neighbours.js'

/** Deletes the pair and forgets the container's addresses. False where there was no pair. */
export function detach(host: Netlink, key: string, attached: Attached | undefined): boolean {
  const found = findOwnLink(host, key, attached)
  if (found !== undefined) remove(host, found)
  if (attached !== undefined) forget(host, attached)
  return found !== undefined
}

/** Forgets the container's addresses. Where the record has no MAC, as an earlier version wrote it, the entries stay: the next ADD sees another's in them. */
export function forget(host: Netlink, { gatewayLink, addresses, mac }: Attached): void {
  if (gatewayLink === '' || mac === undefined) return
  const known = addresses
    .map((text) => parsePrefix(text)?.address)
    .filter((address): address is IpAddress => address !== undefined)
  const link = host.links.find(gatewayLink)
  if (link !== undefined) forgetNeighbours(host, link.index, mac, known)
}

/**
 * For an attachment without a link of ours on the host, as the reference makes it: the veth of that name in the
 * container, unless it is another attachment's.
 */
export function detachInside(host: Netlink, key: string, netns: string, ifName: string): void {
  const container = inContainerIfPresent(netns, openNetlink)
  const link = container?.links.find(ifName)
  if (container === undefined || link === undefined) return
  if (link.kind !== 'veth') {
    warn(`${ifName} in the container is no veth, so it is not ours: left as it is`)
    return
  }
  const peer = link.peerIndex === undefined ? undefined : host.links.find(link.peerIndex)
  // Where the peer is in a third namespace, its index is another link's here.
  const owner = peer?.peerIndex === link.index ? keyInAlias(peer.alias) : undefined
  if (owner !== undefined && owner !== key) {
    warn(`${ifName} in the container belongs to another attachment: left as it is`)
    return
  }
  remove(container, link)
}

export function remove(netlink: Netlink, { index }: Link): void {
  try {
    netlink.links.delete(index)
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error
  }
}
