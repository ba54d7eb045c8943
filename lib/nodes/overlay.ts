/** The part of the desired state that is the tunnel: its link, and what leads the peers' packets through it. */

import { CniError, ErrorCode } from '../cni/error.js'
import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { hostPrefix } from '../ip/prefix.js'
import { MAPPED } from '../ruleset/mapped-mark.js'
import {
  type Desired,
  type DesiredFdb,
  type DesiredNeighbour,
  type DesiredRoute,
  mainRoute,
  type Refusal,
} from './desired.js'
import type { Facts, Path } from './facts.js'
import { RULE_PRIORITY, TABLE_BASE } from './identity.js'
import { localAddress } from './self.js'
import type { OverlaySettings } from './settings.js'
import { endpointOf, type Node, podCIDRsOf } from './table.js'
import { type Digest, vtepMac } from './vtep-mac.js'

/** Outer Ethernet is the link's own; IP, UDP, VXLAN and inner Ethernet are not: 20 or 40, 8, 8, 14 bytes. */
const OVERHEAD: Record<Family, number> = { 4: 50, 6: 70 }

/** Least MTU of an IPv6 link (RFC 8200 section 5). */
const LEAST_IPV6_MTU = 1280

/** A peer without a plain route, and the families that lack it. */
export interface Remaining {
  readonly peer: Node
  readonly families: readonly Family[]
}

/** What was found so far; it is added to. */
interface Found {
  readonly self: Node
  readonly routes: DesiredRoute[]
  readonly refused: Refusal[]
  readonly uplinks: Set<number>
}

interface Surroundings {
  readonly facts: Facts
  readonly pathTo: (to: IpAddress) => Path | undefined
  readonly digest: Digest
  /** Pods of these families live here. */
  readonly families: readonly Family[]
}

/** Completes the state with the tunnel. Throws code 7 where there can be none. */
export function withOverlay(
  found: Found,
  settings: OverlaySettings,
  nodes: readonly Node[],
  remaining: readonly Remaining[],
  { facts, pathTo, digest, families }: Surroundings,
): Desired {
  const { self, routes, refused, uplinks } = found
  const { vni, port, device: name, txChecksum } = settings
  const macs = distinctMacs(nodes, digest)
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
  const mtu = tunnelMtu(settings.mtu, self, underlay, paths)
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
  const addresses = families.map((family) => hostPrefix(endpointOf(self, family) as IpAddress))
  const mac = macs.get(self) as string
  return {
    self,
    routes,
    refused,
    device: { name, vni, port, mac, mtu, local, underlay, txChecksum, addresses },
    neighbours,
    fdb,
    rules: self.podCIDRs.map((from) => ({ from, unlessMark: MAPPED, table, priority: RULE_PRIORITY })),
    podMtu: mtu,
    uplinks: [...uplinks],
    entrances: [...entrances],
  }
}

/** The link that has an address of this machine. */
function homeOf(address: IpAddress, { addresses, links }: Facts): Path | undefined {
  const text = formatAddress(address)
  const index = addresses.find(({ prefix }) => formatAddress(prefix.address) === text)?.linkIndex
  const link = links.find((candidate) => candidate.index === index)
  return link === undefined ? undefined : { link: link.index, direct: true, mtu: link.mtu }
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

/** Every endpoint's hardware address. Throws code 7 for two of the same: the kernel could not tell them apart. */
function distinctMacs(nodes: readonly Node[], digest: Digest): Map<Node, string> {
  const macs = new Map<Node, string>()
  const owners = new Map<string, Node>()
  for (const node of nodes) {
    const mac = vtepMac(node, digest)
    const twin = owners.get(mac)
    if (twin !== undefined) {
      throw new CniError(
        ErrorCode.InvalidConfig,
        `invalid table of nodes: "/nodes/${nodes.indexOf(node)}/vtepMAC" of "${node.name}" is ${mac}, which "${twin.name}" has too`,
        'every tunnel endpoint needs a hardware address of its own: set "vtepMAC" of one of them',
      )
    }
    owners.set(mac, node)
    macs.set(node, mac)
  }
  return macs
}

function tunnelMtu(wanted: number | undefined, self: Node, underlay: Family, paths: readonly Path[]): number {
  const path = paths.reduce((least, { mtu }) => Math.min(least, mtu), paths.length === 0 ? 1500 : 65535)
  return Math.min(wanted ?? path - OVERHEAD[underlay], self.mtu ?? 65535)
}

function tooSmall(mtu: number, wanted: number | undefined, paths: readonly Path[]): CniError {
  const least = paths.reduce((n, path) => Math.min(n, path.mtu), 65535)
  const cause = wanted === undefined ? `the way to the other nodes takes packets of ${least} bytes` : '"mtu" says so'
  return new CniError(
    ErrorCode.InvalidConfig,
    `IPv6 pods need an MTU of ${LEAST_IPV6_MTU} at least, and the tunnel has ${mtu}`,
    `${cause}; raise it, or take the IPv6 pod CIDRs out of the table`,
  )
}
