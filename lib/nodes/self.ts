/** Which entry of the table is this machine, and whether the table fits it. */

import { CniError, ErrorCode } from '../cni/error.js'
import { equalAddresses, formatAddress } from '../ip/address.js'
import { formatPrefix, overlaps } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import { type Facts, localSubnets, ownAddresses } from './facts.js'
import { type Node, tableError } from './table.js'

/** This node's entry. Throws code 7 with this machine's addresses where there is none, or more than one. */
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
  throw new CniError(
    ErrorCode.InvalidConfig,
    `this machine is both "${self.name}" and "${other.name}" of the table of nodes`,
    'it has an address of each; say which entry it is with "nodeName"',
  )
}

function notInTable(why: string, facts: Facts): CniError {
  const own = ownAddresses(facts).map(formatAddress)
  return new CniError(
    ErrorCode.InvalidConfig,
    `this node is not in the table of nodes: ${why}`,
    `this machine has ${own.length === 0 ? 'no addresses' : own.join(', ')}; add an entry with one of them, or set "nodeName"`,
  )
}

/** Throws code 7 where a peer's pods would have addresses of a link of this machine. `skip`: links that do not count. */
export function refuseLocalClash(
  nodes: readonly Node[],
  self: Node,
  facts: Facts,
  place: string,
  skip: (link: Link) => boolean,
): void {
  const subnets = localSubnets(facts, skip)
  for (const [at, node] of nodes.entries()) {
    if (node === self) continue
    for (const [index, cidr] of node.podCIDRs.entries()) {
      for (const { link, prefix } of subnets) {
        if (!overlaps(cidr, prefix)) continue
        const why = `is ${formatPrefix(cidr)} of "${node.name}", but ${link.name} of this machine has ${formatPrefix(prefix)}`
        throw tableError(place, `/nodes/${at}/podCIDRs/${index}`, why)
      }
    }
  }
}

/** The first of a node's addresses that this machine has, in one family. */
export function localAddress(self: Node, facts: Facts, family: 4 | 6) {
  const own = ownAddresses(facts)
  return self.addresses.find((a) => a.family === family && own.some((b) => equalAddresses(a, b)))
}
