/** The table against the kernel: everything an application does and a CHECK reports, before anything is done. */

import { formatPrefix } from '../ip/prefix.js'
import type { Netlink } from '../netlink/netlink.js'
import { sha256Hex } from '../sys/text.js'
import { hasIpv6 } from '../sysctl/ipv6.js'
import { type Desired, desiredState } from './desired.js'
import { isDeviceOf } from './device.js'
import { type Difference, difference, type Ownership } from './diff.js'
import { NodesError } from './error.js'
import { findSelf, judgeFit } from './fit.js'
import { type Node, podCIDRsOf, type Settings } from './model.js'
import { type Facts, readFacts, readPresent } from './observe.js'
import { type Here, ownership, readHistory } from './stamp.js'
import { tableError } from './table.js'

/**
 * What should be, of a table written by hand: one entry that does not fit this machine is enough to refuse all of it.
 * `place` says whose pointers errors have. Throws `not-yet` where this node has no pod CIDR, `unavailable` where it has
 * one of IPv6 and the kernel has no IPv6.
 */
export function planFor(nodes: readonly Node[], facts: Facts, settings: Settings, place: string): Desired {
  const self = findSelf(nodes, facts, settings.nodeName)
  requirePodCIDRs(self)
  requireFit(nodes, self, facts, settings, place)
  return desiredState(nodes, self, settings, facts, sha256Hex)
}

function requirePodCIDRs(self: Node): void {
  if (self.podCIDRs.length === 0) {
    throw new NodesError(
      'not-yet',
      `this node, "${self.name}", has no pod CIDR in the table of nodes yet`,
      'it can have pods as soon as its "podCIDRs" are in the table',
    )
  }
  const [six] = podCIDRsOf(self, 6)
  if (six === undefined || hasIpv6()) return
  throw new NodesError(
    'unavailable',
    `cannot serve ${formatPrefix(six)} of "${self.name}": the running kernel has no IPv6`,
    'it was booted with ipv6.disable=1, or built without: boot it without that parameter (cat /proc/cmdline), or take the IPv6 pod CIDRs out of the table',
  )
}

function requireFit(nodes: readonly Node[], self: Node, facts: Facts, settings: Settings, place: string): void {
  const { network, clusterCIDRs, overlay } = settings
  const fit = judgeFit({
    nodes,
    self,
    clusterCIDRs,
    facts,
    isOwnLink: (link) => isDeviceOf(network, link),
    digest: overlay === undefined ? undefined : sha256Hex,
  })
  const entry = fit.nodes.find((fault) => fault !== undefined)
  if (entry !== undefined) throw tableError(place, entry)
  const cidr = fit.clusterCIDRs.find((fault) => fault !== undefined)
  if (cidr !== undefined) {
    throw new NodesError(
      'invalid',
      `invalid configuration: "${cidr.pointer}" ${cidr.why}`,
      '"clusterCIDRs" are the addresses of pods alone: take smaller ones',
    )
  }
}

export interface Comparison extends Difference {
  readonly facts: Facts
  readonly desired: Desired
  readonly own: Ownership
}

/** Reads everything and compares; changes nothing. */
export function compare(
  netlink: Netlink,
  nodes: readonly Node[],
  settings: Settings,
  place: string,
  here: Here,
): Comparison {
  const facts = readFacts(netlink)
  const desired = planFor(nodes, facts, settings, place)
  const name = desired.device?.name
  const link = facts.links.find((candidate) => candidate.name === name && isDeviceOf(settings.network, candidate))
  const own = ownership(readHistory(settings, here), link?.index, desired.device)
  return { facts, desired, own, ...difference(desired, readPresent(netlink, facts, own), own) }
}
