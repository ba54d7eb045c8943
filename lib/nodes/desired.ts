/** What a node's kernel should have: the nouns of the desired state. */

import type { Family, IpAddress } from '../ip/address.js'
import type { Prefix } from '../ip/prefix.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { IPV6_METRIC } from './identity.js'
import type { TxChecksum } from './settings.js'
import type { Node } from './table.js'

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
  /** Indexes of the links by which peers' IPv4 packets come that do not take the tunnel, though their answers might. */
  readonly entrances: readonly number[]
}

/** A route to a peer in the main table, but for the way. */
export function mainRoute(peer: Node, to: Prefix) {
  const priority = to.address.family === 6 ? IPV6_METRIC : 0
  return { node: peer.name, to, type: 'unicast', table: TABLE_MAIN, priority } as const
}
