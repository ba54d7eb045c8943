/** The nouns: a node of the table, and the settings by which this machine reaches the others. */

import type { Family, IpAddress } from '../ip/address.js'
import { macOfAddress } from '../ip/mac.js'
import { networkOf, type Prefix } from '../ip/prefix.js'

export interface Node {
  readonly name: string
  /** Its own addresses, in order of preference. */
  readonly addresses: readonly IpAddress[]
  /** What its pods' addresses are taken from; no host bits. Empty: it joined, and has none yet. */
  readonly podCIDRs: readonly Prefix[]
  /** Hardware address of its tunnel endpoint; derived where absent. */
  readonly vtepMAC: string | undefined
  /** What its pods can receive, where that is less than elsewhere. */
  readonly mtu: number | undefined
}

/** The pod CIDRs of one family. */
export function podCIDRsOf(node: Node, family: Family): readonly Prefix[] {
  return node.podCIDRs.filter(({ address }) => address.family === family)
}

/** The families of a node's pods. */
export function familiesOf(node: Node): Family[] {
  return ([4, 6] as const).filter((family) => podCIDRsOf(node, family).length > 0)
}

/** The first address of a node's first pod CIDR of a family: its tunnel endpoint's. */
export function endpointOf(node: Node, family: Family): IpAddress | undefined {
  const first = node.podCIDRs.find(({ address }) => address.family === family)
  return first === undefined ? undefined : networkOf(first)
}

/** SHA-256 of bytes, in hex. */
export type Digest = (bytes: Uint8Array) => string

/** The hardware address of a node's tunnel endpoint: what the table says, else the one that every node derives. */
export function vtepMac(node: Node, digest: Digest): string {
  return node.vtepMAC ?? derivedMac(node, digest)
}

/**
 * `0a:58` and the four bytes of the IPv4 endpoint; on a node with IPv6 pods only, the first four bytes of the SHA-256
 * of the endpoint's sixteen. Computed, so that nodes need not announce theirs.
 */
export function derivedMac(node: Node, digest: Digest): string {
  const ipv4 = endpointOf(node, 4)
  if (ipv4 !== undefined) return macOfAddress(ipv4.bytes)
  const ipv6 = endpointOf(node, 6)
  const hash = ipv6 === undefined ? '00000000' : digest(ipv6.bytes)
  return `0a:58:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}:${hash.slice(6, 8)}`
}

/** How packets reach another node's pods. */
export type Mode = 'host-gw' | 'vxlan'

export type TxChecksum = 'auto' | 'on' | 'off'

export interface OverlaySettings {
  readonly vni: number
  /** UDP. */
  readonly port: number
  readonly device: string
  readonly txChecksum: TxChecksum
  /** Undefined: from the underlay's. */
  readonly mtu: number | undefined
}

export interface Settings {
  readonly network: string
  readonly mode: Mode
  readonly stateDir: string
  /** Which entry is this node; undefined: the one that owns an address of this machine. */
  readonly nodeName: string | undefined
  readonly clusterCIDRs: readonly Prefix[]
  /** Plain routes to the nodes on a shared segment. */
  readonly direct: boolean
  /** The tunnel to the others; undefined: they cannot be reached. */
  readonly overlay: OverlaySettings | undefined
}
