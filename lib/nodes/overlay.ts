/** The part of the desired state that is the tunnel: its link, and what leads the peers' packets through it. */

import type { Family, IpAddress } from '../ip/address.js'
import { hostPrefix } from '../ip/prefix.js'
import { MAPPED } from '../ruleset/mapped-mark.js'
import {
  type Desired,
  type DesiredAddress,
  type DesiredFdb,
  type DesiredNeighbour,
  type Found,
  LEAST_IPV6_MTU,
  mainRoute,
} from './desired.js'
import { NodesError } from './error.js'
import { localAddress } from './fit.js'
import { RULE_PRIORITY, TABLE_BASE } from './identity.js'
import { type Digest, derivedMac, endpointOf, type Node, type OverlaySettings, podCIDRsOf, vtepMac } from './model.js'
import { type Facts, homeOf, type Path, type PathFinder } from './observe.js'

/** Outer Ethernet is the link's own; IP, UDP, VXLAN and inner Ethernet are not: 20 or 40, 8, 8, 14 bytes. */
const OVERHEAD: Record<Family, number> = { 4: 50, 6: 70 }

/** A peer without a plain route, and the families that lack it. */
export interface Remaining {
  readonly peer: Node
  readonly families: readonly Family[]
}

interface Surroundings {
  /** The whole table, and those of it that have pods. */
  readonly nodes: readonly Node[]
  readonly members: readonly Node[]
  readonly facts: Facts
  readonly pathTo: PathFinder
  readonly digest: Digest
  /** Pods of these families live here. */
  readonly families: readonly Family[]
}

/** Completes the state with the tunnel. Throws `invalid` where there can be none. */
export function withOverlay(
  found: Found,
  settings: OverlaySettings,
  remaining: readonly Remaining[],
  surroundings: Surroundings,
): Omit<Desired, 'waiting'> {
  const { nodes, members, facts, pathTo, digest, families } = surroundings
  const { self, routes, refused, uplinks, hops } = found
  const { vni, port, device: name, txChecksum } = settings
  const macs = new Map(members.map((node) => [node, vtepMac(node, digest)]))
  const underlay = underlayFamily(nodes, self)
  const table = TABLE_BASE + vni
  const neighbours: DesiredNeighbour[] = []
  const fdb: DesiredFdb[] = []
  const paths: Path[] = []
  const through: Remaining[] = []
  for (const { peer, families: left } of remaining) {
    const to = peer.addresses.find((address) => address.family === underlay)
    if (to === undefined) {
      const reason = `node ${peer.name} has no IPv${underlay} address, which the tunnel between the others runs over`
      refused.push({ node: peer.name, reason })
      continue
    }
    const path = pathTo(to)
    if (path !== undefined) paths.push(path)
    if (path?.link !== undefined) uplinks.add(path.link)
    fdb.push({ node: peer.name, mac: macs.get(peer) as string, to })
    through.push({ peer, families: left })
  }
  const local = localAddress(self, facts, underlay)
  const home = local === undefined ? undefined : homeOf(local, facts)
  if (home !== undefined) uplinks.add(home.link as number)
  if (home !== undefined && paths.length === 0) paths.push(home)
  const room = roomInside(underlay, paths)
  const mtu = Math.min(settings.mtu ?? room, self.mtu ?? 65535)
  if (families.includes(6) && mtu < LEAST_IPV6_MTU) throw tooSmall(mtu, settings.mtu, paths)

  const entrances = new Set<number>()
  for (const { peer, families: left } of through) {
    const limit = peer.mtu !== undefined && peer.mtu < mtu ? { mtu: peer.mtu } : {}
    for (const family of left) {
      const via = endpointOf(peer, family) as IpAddress
      const way = { via, link: 'device', onlink: true, ...limit } as const
      neighbours.push({ node: peer.name, address: via, mac: macs.get(peer) as string })
      for (const to of podCIDRsOf(peer, family)) routes.push({ ...mainRoute(peer, to), ...way })
      // A pod's packets to the node itself come back through the tunnel, so they must leave by it: a strict
      // reverse-path filter, or a cloud that knows no pod addresses, would drop them on the underlay.
      for (const address of peer.addresses) {
        if (address.family !== family) continue
        routes.push({ ...mainRoute(peer, hostPrefix(address)), ...way, table })
        const link = family === 4 ? pathTo(address)?.link : undefined
        if (link !== undefined) entrances.add(link)
      }
    }
  }
  const addresses = endpointAddresses(self, through, surroundings)
  const mac = macs.get(self) as string
  return {
    self,
    routes,
    refused,
    device: { name, vni, port, mac, mtu, local, underlay, txChecksum, addresses },
    neighbours,
    fdb,
    rules: self.podCIDRs.map((from) => ({ from, unlessMark: MAPPED, table, priority: RULE_PRIORITY })),
    podMtu: podMtu([mtu, room, ...hops.map((hop) => hop.mtu)], families),
    uplinks: [...uplinks],
    entrances: [...entrances],
  }
}

/**
 * The addresses of the tunnel's link: the endpoint's of each family, and of IPv4 the node's own. Of a link that a packet
 * of the node's leaves by, the kernel takes the first global address as its source (inet_select_addr): for the node's own
 * packets to pods elsewhere, and for what kube-proxy masquerades on their way there. With the endpoint's address of scope
 * link that is the node's own, so that pods see it, as with host-gw. Without one here it would be the first that any link
 * of the machine has, and one that came later could take its place, to which answers would not find back.
 *
 * The endpoint's stays the source where a peer runs flannel, which answers our own address beside the tunnel, and of
 * IPv6, whose addresses have no scope to set: there the kernel prefers the one most like the destination (RFC 6724).
 */
function endpointAddresses(
  self: Node,
  through: readonly Remaining[],
  { facts, digest, families }: Surroundings,
): DesiredAddress[] {
  const own = families.includes(4) ? localAddress(self, facts, 4) : undefined
  const isFlannel = ({ peer }: Remaining) => vtepMac(peer, digest) !== derivedMac(peer, digest)
  const borrowed = own === undefined || through.some(isFlannel) ? undefined : own
  const endpoints = families.map((family): DesiredAddress => {
    const scope = family === 4 && borrowed !== undefined ? 'link' : 'universe'
    return { prefix: hostPrefix(endpointOf(self, family) as IpAddress), scope }
  })
  return borrowed === undefined ? endpoints : [{ prefix: hostPrefix(borrowed), scope: 'universe' }, ...endpoints]
}

/** What a pod may send: no more than any way takes, and no less than IPv6 needs. */
function podMtu(limits: readonly number[], families: readonly Family[]): number {
  const least = Math.min(...limits)
  return families.includes(6) ? Math.max(least, LEAST_IPV6_MTU) : least
}

/**
 * The family the tunnel runs over, which all nodes must find alike: one that every node has, else the one that most
 * have; IPv4 where it makes no difference. This node must have it.
 */
function underlayFamily(nodes: readonly Node[], self: Node): Family {
  const count = (family: Family) =>
    has(self, family) ? nodes.reduce((n, node) => n + (has(node, family) ? 1 : 0), 0) : 0
  return count(4) >= count(6) ? 4 : 6
}

function has(node: Node, family: Family): boolean {
  return node.addresses.some((address) => address.family === family)
}

/** The largest packet that fits into the tunnel on all its ways. */
function roomInside(underlay: Family, paths: readonly Path[]): number {
  const least = paths.reduce((n, { mtu }) => Math.min(n, mtu), paths.length === 0 ? 1500 : 65535)
  return least - OVERHEAD[underlay]
}

function tooSmall(mtu: number, wanted: number | undefined, paths: readonly Path[]): NodesError {
  const least = paths.reduce((n, path) => Math.min(n, path.mtu), 65535)
  const cause = wanted === undefined ? `the way to the other nodes takes packets of ${least} bytes` : '"mtu" says so'
  return new NodesError(
    'invalid',
    `IPv6 pods need an MTU of ${LEAST_IPV6_MTU} at least, and the tunnel has ${mtu}`,
    `${cause}; raise it, or take the IPv6 pod CIDRs out of the table`,
  )
}
