/** The container's link and its other end on the host. */

import type { Link } from '../netlink/links/link.js'
import { namespaceId } from '../netlink/namespace-ids.js'
import type { Netlink } from '../netlink/netlink.js'
import { closeContainer, openContainer } from '../netns/namespace.js'

export interface Ends {
  /** CNI_IFNAME in the container, where it can be seen from here. */
  readonly inside?: Link
  /** The other end, where it is a link of this host: only a veth has one. */
  readonly outside?: Link
}

/**
 * Finds both ends of a container's link, whatever prevResult lists: the container says which index the other end has, and
 * that link must say the same of the container's. Nothing enters the container for that.
 */
export function findEnds(host: Netlink, netns: string, ifName: string): Ends {
  const id = idOf(host, netns)
  const inside = id === undefined ? undefined : host.links.find(ifName, id)
  if (inside === undefined) return {}
  if (inside.kind !== 'veth' || inside.peerIndex === undefined) return { inside }
  const outside = host.links.find(inside.peerIndex)
  const isPair = outside?.kind === 'veth' && outside.peerIndex === inside.index && outside.peerNamespaceId === id
  return isPair ? { inside, outside } : { inside }
}

function idOf(host: Netlink, netns: string): number | undefined {
  const file = openContainer(netns)
  try {
    return namespaceId(host.socket, file.fd)
  } finally {
    closeContainer(file)
  }
}
