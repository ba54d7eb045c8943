/** A pod must not send what the tunnel cannot take: its interface, and the host's end of it, are made no larger. */

import type { Interface, Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import { inContainer, openContainer } from '../../lib/netns/namespace.js'

/** Lowers the interfaces of `result` that are in the container, and their peers here; the result with their MTU. */
export function limitMtu(result: Result, netns: string, host: Netlink, mtu: number): Result {
  const inside = insideOf(result, netns)
  if (inside.length === 0) return result
  const container = inContainer(openContainer(netns), openNetlink)
  const lowered = new Set<string>()
  for (const { name } of inside) {
    const link = container.links.find(name)
    if (link === undefined || link.mtu <= mtu) continue
    // The container's end last: while that is too large, a call after one that was killed does it all.
    const peer = peerOf(link, result, host)
    if (peer !== undefined && peer.mtu > mtu) {
      host.links.change(peer.index, { mtu })
      lowered.add(` ${peer.name}`)
    }
    container.links.change(link.index, { mtu })
    lowered.add(`${netns} ${name}`)
  }
  if (lowered.size === 0) return result
  const told = (entry: Interface) => (lowered.has(`${entry.sandbox ?? ''} ${entry.name}`) ? { ...entry, mtu } : entry)
  return { ...result, interfaces: (result.interfaces ?? []).map(told) }
}

/** For CHECK: what is larger than it may be, in words. */
export function largerInterfaces(result: Result, netns: string, mtu: number): string[] {
  const inside = insideOf(result, netns)
  if (inside.length === 0) return []
  const container = inContainer(openContainer(netns), openNetlink)
  return inside
    .map(({ name }) => container.links.find(name))
    .filter((link) => link !== undefined && link.mtu > mtu)
    .map((link) => `${link?.name} of the container has mtu ${link?.mtu}, more than the tunnel's ${mtu}`)
}

function insideOf({ interfaces = [] }: Result, netns: string): Interface[] {
  return interfaces.filter(({ sandbox }) => sandbox === netns)
}

/** The host's end of a veth, where the previous result names it: an index alone might count in another namespace. */
function peerOf(link: Link, { interfaces = [] }: Result, host: Netlink): Link | undefined {
  if (link.kind !== 'veth' || link.peerIndex === undefined) return undefined
  const peer = host.links.find(link.peerIndex)
  const named = interfaces.some(({ name, sandbox }) => (sandbox ?? '') === '' && name === peer?.name)
  return named && peer?.kind === 'veth' ? peer : undefined
}
