/**
 * What this node's kernel should have so that its pods reach all others': one pure function of the table and the local
 * facts. Nothing here asks the kernel, so every case is a row in a test.
 */

import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import type { Prefix } from '../ip/prefix.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import type { Scope } from '../netlink/scope.js'
import { IPV6_METRIC, UNREACHABLE_METRIC } from './identity.js'
import { type Digest, familiesOf, type Node, podCIDRsOf, type Settings, type TxChecksum } from './model.js'
import { type Facts, homeOf, type Path, type PathFinder, pathFinder } from './observe.js'
import { type Remaining, withOverlay } from './overlay.js'

/** `device` stands for the tunnel's link, which may not exist yet. */
export type RouteLink = number | 'device'

export interface DesiredRoute {
  /** The peer it leads to; `''` for what belongs to this node alone. */
  readonly node: string
  readonly to: Prefix
  readonly type: 'unicast' | 'unreachable'
  readonly via?: IpAddress
  readonly link?: RouteLink
  readonly onlink: boolean
  readonly table: number
  readonly priority: number
  readonly mtu?: number
}

export interface DesiredNeighbour {
  readonly node: string
  readonly address: IpAddress
  readonly mac: string
}

export interface DesiredFdb {
  readonly node: string
  readonly mac: string
  /** Outer destination. */
  readonly to: IpAddress
}

/** Packets that bear none of the bits of `unlessMark`. */
export interface DesiredRule {
  readonly from: Prefix
  readonly unlessMark: number
  readonly table: number
  readonly priority: number
}

export interface DesiredAddress {
  readonly prefix: Prefix
  readonly scope: Scope
}

export interface DesiredDevice {
  readonly name: string
  readonly vni: number
  readonly port: number
  readonly mac: string
  readonly mtu: number
  /** Outer source; undefined: this machine does not have the address the table gives it, and the kernel chooses. */
  readonly local: IpAddress | undefined
  readonly underlay: Family
  readonly txChecksum: TxChecksum
  /** Endpoint addresses, /32 and /128, so that no connected route comes with them. */
  readonly addresses: readonly DesiredAddress[]
}

/** A peer that cannot be served, and why; the others are. */
export interface Refusal {
  readonly node: string
  readonly reason: string
}

export interface Desired {
  readonly self: Node
  readonly device: DesiredDevice | undefined
  readonly neighbours: readonly DesiredNeighbour[]
  readonly fdb: readonly DesiredFdb[]
  readonly routes: readonly DesiredRoute[]
  readonly rules: readonly DesiredRule[]
  readonly refused: readonly Refusal[]
  /** Peers that have no pod CIDR yet: nothing leads to them, and nothing is wrong. */
  readonly waiting: readonly string[]
  /** Most that a pod of this network may send in one packet; undefined: no limit is known. */
  readonly podMtu: number | undefined
  /** Indexes of the links the ways lead through: when they change, so may all this. */
  readonly uplinks: readonly number[]
  /** Indexes of the links by which peers' IPv4 packets come that do not take the tunnel, though their answers might. */
  readonly entrances: readonly number[]
}

/** Least MTU of an IPv6 link (RFC 8200 section 5). */
export const LEAST_IPV6_MTU = 1280

/** A route to a peer in the main table, but for the way. */
export function mainRoute(peer: Node, to: Prefix) {
  const priority = to.address.family === 6 ? IPV6_METRIC : 0
  return { node: peer.name, to, type: 'unicast', table: TABLE_MAIN, priority } as const
}

/** What is found on the way; it is added to. */
export interface Found {
  readonly self: Node
  readonly routes: DesiredRoute[]
  readonly refused: Refusal[]
  readonly uplinks: Set<number>
  /** The ways that lead to peers directly. */
  readonly hops: Hop[]
}

/** Throws `invalid` where the table cannot be served by these settings at all. The table fits (`judgeFit`). */
export function desiredState(
  nodes: readonly Node[],
  self: Node,
  settings: Settings,
  facts: Facts,
  digest: Digest,
): Desired {
  const pathTo = pathFinder(facts)
  const families = familiesOf(self)
  const found: Found = { self, routes: [], refused: [], uplinks: new Set(), hops: [] }
  const members = nodes.filter(({ podCIDRs }) => podCIDRs.length > 0)
  const tunnelled: Remaining[] = []
  for (const peer of members) {
    if (peer === self) continue
    const left = settings.direct ? addDirect(found, peer, families, pathTo) : servedBy(peer, families)
    if (left.length === 0) continue
    if (settings.overlay !== undefined) tunnelled.push({ peer, families: left })
    else found.refused.push({ node: peer.name, reason: notOnSegment(peer, left) })
  }
  for (const to of settings.clusterCIDRs) {
    if (!families.includes(to.address.family)) continue
    const own = { node: '', to, type: 'unreachable', onlink: false, table: TABLE_MAIN } as const
    found.routes.push({ ...own, priority: UNREACHABLE_METRIC })
  }
  const waiting = nodes.filter((node) => node !== self && node.podCIDRs.length === 0).map(({ name }) => name)
  if (settings.overlay !== undefined) {
    const surroundings = { nodes, members, facts, pathTo, digest, families }
    return { ...withOverlay(found, settings.overlay, tunnelled, surroundings), waiting }
  }
  const { routes, refused, uplinks } = found
  const empty = { device: undefined, neighbours: [], fdb: [], rules: [], entrances: [] }
  return { ...empty, self, routes, refused, waiting, podMtu: directMtu(found, facts), uplinks: [...uplinks] }
}

/** The families of this node's pods that a peer has pods of. */
function servedBy(peer: Node, families: readonly Family[]): Family[] {
  return families.filter((family) => podCIDRsOf(peer, family).length > 0)
}

/** Adds the routes to a peer on a segment of ours; the families for which it is on none. */
function addDirect(found: Found, peer: Node, families: readonly Family[], pathTo: PathFinder): Family[] {
  return servedBy(peer, families).filter((family) => {
    const hop = nextHop(peer, family, pathTo)
    if (hop === undefined) return true
    const { via, link, mtu } = hop
    found.uplinks.add(link)
    found.hops.push(hop)
    for (const to of podCIDRsOf(peer, family)) {
      const limit = peer.mtu !== undefined && peer.mtu < mtu ? { mtu: peer.mtu } : {}
      found.routes.push({ ...mainRoute(peer, to), via, link, onlink: false, ...limit })
    }
    return false
  })
}

interface Hop {
  readonly via: IpAddress
  readonly link: number
  readonly mtu: number
}

/** The first address of a peer that is on a segment of ours: of the pods' family, else IPv6 for IPv4 pods (RFC 8950). */
function nextHop(peer: Node, family: Family, pathTo: PathFinder): Hop | undefined {
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

/** The least of the ways to the peers; without peers, this node's own link. No less than IPv6 pods need. */
function directMtu({ self, hops, uplinks }: Found, facts: Facts): number | undefined {
  const paths: Pick<Path, 'mtu'>[] = [...hops]
  if (paths.length === 0) {
    const home = self.addresses.map((address) => homeOf(address, facts)).find((path) => path !== undefined)
    if (home !== undefined) paths.push(home)
    if (home?.link !== undefined) uplinks.add(home.link)
  }
  if (paths.length === 0 && self.mtu === undefined) return undefined
  const least = Math.min(self.mtu ?? 65535, ...paths.map(({ mtu }) => mtu))
  return podCIDRsOf(self, 6).length > 0 ? Math.max(least, LEAST_IPV6_MTU) : least
}
