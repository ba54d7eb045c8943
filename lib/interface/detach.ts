/** Takes an attachment's links away, only where they are its own. What throws here may have left a link alive. */

import { keyInAlias } from '../attachment/link-identity.js'
import type { Link } from '../netlink/links/link.js'
import { type Netlink, openNetlink } from '../netlink/netlink.js'
import { inContainerIfPresent } from '../netns/namespace.js'
import { isErrno } from '../sys/errno.js'
import { warn } from '../sys/log.js'
import { findOwnLink, type Whose } from './own-link.js'
import type { Attached } from './record.js'

/** What it must know of a plugin. */
interface Detaching {
  readonly kind: string
  forget?(host: Netlink, attached: Attached): void
}

/** Deletes the link and what outlives it. Returns false where there was no link. */
export function detach(plugin: Detaching, host: Netlink, whose: Whose, attached: Attached | undefined): boolean {
  const found = findOwnLink(plugin.kind, host, whose, attached)
  if (found !== undefined) remove(found.netlink, found.link)
  if (attached !== undefined) plugin.forget?.(host, attached)
  return found !== undefined
}

/**
 * For an attachment whose link `detach` does not find, as one that the reference made: the link of that kind and name in
 * the container, unless it is another attachment's.
 */
export function detachInside(kind: string, host: Netlink, key: string, netns: string, ifName: string): void {
  const container = inContainerIfPresent(netns, openNetlink)
  const link = container?.links.find(ifName)
  if (container === undefined || link === undefined) return
  if (link.kind !== kind) {
    warn(`${ifName} in the container is no ${kind}, so it is not ours: left as it is`)
    return
  }
  const owner = kind === 'veth' ? ownerOfPair(host, link) : keyInAlias(link.alias)
  if (owner !== undefined && owner !== key) {
    warn(`${ifName} in the container belongs to another attachment: left as it is`)
    return
  }
  remove(container, link)
}

/** Where the peer is in a third namespace, its index is another link's here. */
function ownerOfPair(host: Netlink, link: Link): string | undefined {
  const peer = link.peerIndex === undefined ? undefined : host.links.find(link.peerIndex)
  return peer?.peerIndex === link.index ? keyInAlias(peer.alias) : undefined
}

export function remove(netlink: Netlink, { index }: Link): void {
  try {
    netlink.links.delete(index)
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error
  }
}
