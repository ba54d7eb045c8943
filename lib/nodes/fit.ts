/** Which entry of the table is this machine, and whether the table and the settings fit it. */

import { equalAddresses, type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { containsAddress, formatPrefix, overlaps, type Prefix } from '../ip/prefix.js'
import { PrefixMap } from '../ip/prefix-map.js'
import type { Link } from '../netlink/links/link.js'
import { NodesError } from './error.js'
import { type Digest, familiesOf, type Node, vtepMac } from './model.js'
import { type Facts, localSubnets, ownAddresses, type PathFinder, pathFinder } from './observe.js'
import type { Fault } from './table.js'

/** This node's entry. Throws `invalid` with this machine's addresses where there is none, or more than one. */
export function findSelf(nodes: readonly Node[], facts: Facts, nodeName: string | undefined): Node {
  if (nodeName !== undefined) {
    const named = nodes.find(({ name }) => name === nodeName)
    if (named !== undefined) return named
    throw notInTable(`no entry is called "${nodeName}" (nodeName)`, facts)
  }
  const own = new Set(ownAddresses(facts).map(formatAddress))
  const candidates = nodes.filter(({ addresses }) => addresses.some((address) => own.has(formatAddress(address))))
  const [self, other] = candidates
  if (self === undefined) throw notInTable('no entry has an address of this machine', facts)
  if (other === undefined) return self
  throw new NodesError(
    'invalid',
    `this machine is both "${self.name}" and "${other.name}" of the table of nodes`,
    'it has an address of each; say which entry it is with "nodeName"',
  )
}

function notInTable(why: string, facts: Facts): NodesError {
  const own = ownAddresses(facts).map(formatAddress)
  return new NodesError(
    'invalid',
    `this node is not in the table of nodes: ${why}`,
    `this machine has ${own.length === 0 ? 'no addresses' : own.join(', ')}; add an entry with one of them, or set "nodeName"`,
  )
}

/** The first of a node's addresses that this machine has, in one family. */
export function localAddress(self: Node, facts: Facts, family: Family): IpAddress | undefined {
  const own = ownAddresses(facts)
  return self.addresses.find((a) => a.family === family && own.some((b) => equalAddresses(a, b)))
}

/** One verdict an entry of the table, and one a cluster CIDR, in their orders; undefined: it fits. */
export interface Fit {
  readonly nodes: readonly (Fault | undefined)[]
  readonly clusterCIDRs: readonly (Fault | undefined)[]
}

export interface FitInput {
  readonly nodes: readonly Node[]
  readonly self: Node
  readonly clusterCIDRs: readonly Prefix[]
  readonly facts: Facts
  /** Links that the network made itself: their subnets do not count as this machine's. */
  readonly isOwnLink: (link: Link) => boolean
  /** Where there is a tunnel: what its hardware addresses are derived with. */
  readonly digest: Digest | undefined
}

/**
 * Judges every entry and every cluster CIDR by itself: would the routes that follow from it take away a way that is
 * there, to a link of this machine or to a node's own address? What is refused can be left out, and the rest applied.
 */
export function judgeFit({ nodes, self, clusterCIDRs, facts, isOwnLink, digest }: FitInput): Fit {
  const subnets = localSubnets(facts, isOwnLink)
  const pathTo = pathFinder(facts)
  const inside = addressesInside(nodes)
  const families = familiesOf(self)
  const twins = digest === undefined ? new Map<Node, Fault>() : macTwins(nodes, self, digest)
  const judge = (node: Node, at: number) =>
    onOwnSubnet(node, at, subnets) ?? insideSelf(node, at, self) ?? cutsOff(node, at, inside, pathTo) ?? twins.get(node)
  return {
    nodes: nodes.map((node, at) => (node === self ? undefined : judge(node, at))),
    clusterCIDRs: clusterCIDRs.map((cidr, at) =>
      families.includes(cidr.address.family) ? stopsTooMuch(cidr, at, nodes, self, pathTo) : undefined,
    ),
  }
}

/** A peer's pods would have addresses of a link of this machine. */
function onOwnSubnet(node: Node, at: number, subnets: ReturnType<typeof localSubnets>): Fault | undefined {
  for (const [index, cidr] of node.podCIDRs.entries()) {
    const subnet = subnets.find(({ prefix }) => overlaps(cidr, prefix))
    if (subnet === undefined) continue
    const { link, prefix } = subnet
    const why = `is ${formatPrefix(cidr)} of "${node.name}", but ${link.name} of this machine has ${formatPrefix(prefix)}`
    return { pointer: `/nodes/${at}/podCIDRs/${index}`, why }
  }
  return undefined
}

/** A peer's own address is one of this node's pods': its packets would go to the bridge. */
function insideSelf(node: Node, at: number, self: Node): Fault | undefined {
  for (const [index, address] of node.addresses.entries()) {
    const cidr = self.podCIDRs.find((candidate) => containsAddress(candidate, address))
    if (cidr === undefined) continue
    const why = `of "${node.name}" is ${formatAddress(address)}, which lies inside ${formatPrefix(cidr)}, the pods of "${self.name}"`
    return { pointer: `/nodes/${at}/addresses/${index}`, why }
  }
  return undefined
}

/** The addresses of nodes that lie inside a pod CIDR, by that. */
type Inside = ReadonlyMap<Prefix, readonly { readonly owner: Node; readonly address: IpAddress }[]>

function addressesInside(nodes: readonly Node[]): Inside {
  const cidrs = new PrefixMap<Prefix>()
  for (const { podCIDRs } of nodes) for (const cidr of podCIDRs) cidrs.set(cidr, cidr)
  const inside = new Map<Prefix, { owner: Node; address: IpAddress }[]>()
  for (const owner of nodes) {
    for (const address of owner.addresses) {
      const cidr = cidrs.find(address)?.value
      if (cidr === undefined) continue
      const found = inside.get(cidr)
      if (found === undefined) inside.set(cidr, [{ owner, address }])
      else found.push({ owner, address })
    }
  }
  return inside
}

/** The route to a peer's pods would lead packets for a node's own address there. */
function cutsOff(node: Node, at: number, inside: Inside, pathTo: PathFinder): Fault | undefined {
  if (inside.size === 0) return undefined
  for (const [index, cidr] of node.podCIDRs.entries()) {
    for (const { owner, address } of inside.get(cidr) ?? []) {
      if (owner === node && !leadsToItself(node, address, cidr, pathTo)) continue
      const what = `is ${formatPrefix(cidr)} of "${node.name}", and ${formatAddress(address)} of "${owner.name}" lies inside it`
      const why = `${what}: the route to these pods would cut that address off`
      return { pointer: `/nodes/${at}/podCIDRs/${index}`, why }
    }
  }
  return undefined
}

/** A node's own address among its own pods' is in the way only where it is the one by which they are reached. */
function leadsToItself(node: Node, address: IpAddress, cidr: Prefix, pathTo: PathFinder): boolean {
  const first = node.addresses.find(({ family }) => family === address.family)
  if (first === undefined || !equalAddresses(first, address)) return false
  return (pathTo(address)?.length ?? 0) <= cidr.length
}

/** Tunnel endpoints of one hardware address, which the kernel could not tell apart: all but the first, and never this node. */
function macTwins(nodes: readonly Node[], self: Node, digest: Digest): Map<Node, Fault> {
  const twins = new Map<Node, Fault>()
  const owners = new Map([[vtepMac(self, digest), self]])
  for (const [at, node] of nodes.entries()) {
    if (node === self || node.podCIDRs.length === 0) continue
    const mac = vtepMac(node, digest)
    const owner = owners.get(mac)
    if (owner === undefined) owners.set(mac, node)
    else {
      const why = `of "${node.name}" is ${mac}, which "${owner.name}" has too: every tunnel endpoint needs its own`
      twins.set(node, { pointer: `/nodes/${at}/vtepMAC`, why })
    }
  }
  return twins
}

/** The unreachable route for a cluster CIDR would win over the way to a node, or over a route to pods. */
function stopsTooMuch(
  cidr: Prefix,
  at: number,
  nodes: readonly Node[],
  self: Node,
  pathTo: PathFinder,
): Fault | undefined {
  const fault = (why: string) => ({ pointer: `/clusterCIDRs/${at}`, why: `is ${formatPrefix(cidr)}, ${why}` })
  for (const { name, addresses, podCIDRs } of nodes) {
    const around = podCIDRs.find((pods) => pods.length < cidr.length && containsAddress(pods, cidr.address))
    if (around !== undefined)
      return fault(`a part of ${formatPrefix(around)}, the pods of "${name}": they would be cut off`)
    if (name === self.name) continue
    for (const address of addresses) {
      if (!containsAddress(cidr, address)) continue
      const length = pathTo(address)?.length
      if (length === undefined || length >= cidr.length) continue
      const way = length === 0 ? 'the default route' : `a route of only ${length} bits`
      return fault(
        `and ${formatAddress(address)} of "${name}" lies inside it, which this machine reaches by ${way}: it would be cut off`,
      )
    }
  }
  return undefined
}
