/**
 * What this node's kernel should have so that its pods reach all others': one pure function of the table
 * and the local facts. Nothing here asks the kernel, so every case is a row in a test.
 */

import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { type Desired, type DesiredRoute, mainRoute, type Refusal } from './desired.js'
import { type Facts, type Path, pathFinder } from './facts.js'
import { UNREACHABLE_METRIC } from './identity.js'
import { type Remaining, withOverlay } from './overlay.js'
import type { Settings } from './settings.js'
import { type Node, podCIDRsOf } from './table.js'
import type { Digest } from './vtep-mac.js'

/** Throws code 7 where the table cannot be served by these settings at all. */
export function desiredState(
  nodes: readonly Node[],
  self: Node,
  settings: Settings,
  facts: Facts,
  digest: Digest,
): Desired {
  const pathTo = pathFinder(facts)
  const peers = nodes.filter((node) => node !== self)
  const families = ([4, 6] as const).filter((family) => podCIDRsOf(self, family).length > 0)
  const routes: DesiredRoute[] = []
  const refused: Refusal[] = []
  const uplinks = new Set<number>()
  const tunnelled: Remaining[] = []

  for (const peer of peers) {
    const left: Family[] = []
    for (const family of families) {
      const cidrs = podCIDRsOf(peer, family)
      if (cidrs.length === 0) continue
      const hop = settings.direct ? nextHop(peer, family, pathTo) : undefined
      if (hop === undefined) {
        left.push(family)
        continue
      }
      const { via, link, mtu } = hop
      uplinks.add(link)
      for (const to of cidrs) {
        const limit = peer.mtu !== undefined && peer.mtu < mtu ? { mtu: peer.mtu } : {}
        routes.push({ ...mainRoute(peer, to), via, link, onlink: false, ...limit })
      }
    }
    if (left.length === 0) continue
    if (settings.overlay === undefined) refused.push({ node: peer.name, reason: notOnSegment(peer, left) })
    else tunnelled.push({ peer, families: left })
  }
  for (const to of settings.clusterCIDRs) {
    if (!families.includes(to.address.family)) continue
    const own = { node: '', to, type: 'unreachable', onlink: false, table: TABLE_MAIN } as const
    routes.push({ ...own, priority: UNREACHABLE_METRIC })
  }
  const direct = { self, routes, refused, uplinks }
  if (settings.overlay !== undefined) {
    return withOverlay(direct, settings.overlay, nodes, tunnelled, { facts, pathTo, digest, families })
  }
  const links = { uplinks: [...uplinks], entrances: [] }
  return { ...direct, device: undefined, neighbours: [], fdb: [], rules: [], podMtu: undefined, ...links }
}

interface Hop {
  readonly via: IpAddress
  readonly link: number
  readonly mtu: number
}

/** The first address of a peer that is on a segment of ours: of the pods' family, else IPv6 for IPv4 pods (RFC 8950). */
function nextHop(peer: Node, family: Family, pathTo: (to: IpAddress) => Path | undefined): Hop | undefined {
  for (const wanted of family === 4 ? ([4, 6] as const) : ([6] as const)) {
    for (const via of peer.addresses) {
      if (via.family !== wanted) continue
      const path = pathTo(via)
      if (path?.direct === true && path.link !== undefined) return { via, link: path.link, mtu: path.mtu }
    }
  }
  return undefined
}

function notOnSegment(peer: Node, families: readonly Family[]): string {
  const usable = peer.addresses.filter((address) => families.includes(4) || address.family === 6)
  if (usable.length === 0) return `node ${peer.name} has no IPv6 address, which IPv6 pods need a way through`
  const which = usable.map(formatAddress).join(', ')
  return `node ${peer.name} (${which}) is not on a segment of this machine: use vxlan, or directRouting`
}
