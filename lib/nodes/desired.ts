/**
 * What this node's kernel should have so that its pods reach all others': one pure function of the table
 * and the local facts. Nothing here asks the kernel, so every case is a row in a test.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { hostPrefix, type Prefix } from '../ip/prefix.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { type Facts, type Path, pathFinder } from './facts.js'
import { IPV6_METRIC, RULE_PRIORITY, TABLE_BASE, UNREACHABLE_METRIC } from './identity.js'
import { localAddress } from './self.js'
import type { Settings, TxChecksum } from './settings.js'
import { endpointOf, type Node, podCIDRsOf } from './table.js'
import { type Digest, vtepMac } from './vtep-mac.js'

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

export interface DesiredRule {
  readonly from: Prefix
  readonly table: number
  readonly priority: number
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
  readonly addresses: readonly Prefix[]
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
  /** Most that a pod of this network may send in one packet; undefined: no limit of ours. */
  readonly podMtu: number | undefined
  /** Indexes of the links the ways lead through: when they change, so may all this. */
  readonly uplinks: readonly number[]
}

/** Outer Ethernet is the link's own; IP, UDP, VXLAN and inner Ethernet are not: 20 or 40, 8, 8, 14 bytes. */
const OVERHEAD: Record<Family, number> = { 4: 50, 6: 70 }

/** Least MTU of an IPv6 link (RFC 8200 section 5). */
const LEAST_IPV6_MTU = 1280

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
  const tunnelled: { peer: Node; families: Family[] }[] = []

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
  const common = { self, routes, refused }
  if (settings.overlay === undefined) {
    return {
      ...common,
      device: undefined,
      neighbours: [],
      fdb: [],
      rules: [],
      podMtu: undefined,
      uplinks: [...uplinks],
    }
  }

  const { vni, port, device: name, txChecksum } = settings.overlay
  const macs = distinctMacs(nodes, digest)
  const underlay = underlayFamily(nodes, self)
  const local = localAddress(self, facts, underlay)
  const table = TABLE_BASE + vni
  const neighbours: DesiredNeighbour[] = []
  const fdb: DesiredFdb[] = []
  const paths: Path[] = []
  const through: { peer: Node; families: Family[] }[] = []
  for (const { peer, families: left } of tunnelled) {
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
  for (const { linkIndex, prefix } of facts.addresses) {
    if (local === undefined || formatAddress(prefix.address) !== formatAddress(local)) continue
    uplinks.add(linkIndex)
    const link = facts.links.find(({ index }) => index === linkIndex)
    if (paths.length === 0 && link !== undefined) paths.push({ link: linkIndex, direct: true, mtu: link.mtu })
  }
  const mtu = tunnelMtu(settings.overlay.mtu, self, underlay, paths)
  if (families.includes(6) && mtu < LEAST_IPV6_MTU) throw tooSmall(mtu, settings.overlay.mtu, paths)

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
        if (address.family === family) routes.push({ ...mainRoute(peer, hostPrefix(address)), ...way, table })
      }
    }
  }
  const addresses = families.map((family) => hostPrefix(endpointOf(self, family) as IpAddress))
  const mac = macs.get(self) as string
  return {
    ...common,
    device: { name, vni, port, mac, mtu, local, underlay, txChecksum, addresses },
    neighbours,
    fdb,
    rules: self.podCIDRs.map((from) => ({ from, table, priority: RULE_PRIORITY })),
    podMtu: mtu,
    uplinks: [...uplinks],
  }
}

function mainRoute(peer: Node, to: Prefix) {
  const priority = to.address.family === 6 ? IPV6_METRIC : 0
  return { node: peer.name, to, type: 'unicast', table: TABLE_MAIN, priority } as const
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
