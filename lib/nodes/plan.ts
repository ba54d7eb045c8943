/** The table against the kernel: everything an application does and a CHECK reports, before anything is done. */

import { formatPrefix } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { sha256Hex } from '../sys/text.js'
import { hasIpv6, lackingIpv6 } from '../sysctl/ipv6.js'
import type { Desired, DesiredDevice } from './desired.js'
import { desiredState } from './desired-state.js'
import { isDeviceOf } from './device.js'
import { type Difference, difference, type Ownership, type Present, routeKey } from './difference.js'
import { type Facts, readFacts } from './facts.js'
import { TABLE_BASE } from './identity.js'
import { findSelf, refuseLocalClash } from './self.js'
import type { Settings } from './settings.js'
import { placeOf, type TableSource } from './source.js'
import { type Applied, everyApplied, type Here } from './state.js'
import type { Node } from './table.js'

/** What should be. Throws code 7 where the table does not fit this machine, 50 where its kernel has no IPv6 and needs it. */
export function wish(nodes: readonly Node[], facts: Facts, settings: Settings, source: TableSource): Desired {
  const self = findSelf(nodes, facts, settings.nodeName)
  requireFamilies(self)
  const mine = (link: Link) => isDeviceOf(settings.network, link)
  refuseLocalClash(nodes, self, facts, placeOf(source), mine)
  return desiredState(nodes, self, settings, facts, sha256Hex)
}

function requireFamilies({ name, podCIDRs }: Node): void {
  const six = podCIDRs.find(({ address }) => address.family === 6)
  if (six !== undefined && !hasIpv6()) throw lackingIpv6(`cannot serve ${formatPrefix(six)} of "${name}"`)
}

/** What this network made before, by either plugin, and what other networks did. */
export interface History {
  readonly own: readonly Applied[]
  readonly others: readonly Applied[]
}

export function readHistory({ stateDir, network }: Settings, here: Here): History {
  const all = everyApplied(stateDir, here)
  return {
    own: all.filter((applied) => applied.network === network),
    others: all.filter((applied) => applied.network !== network),
  }
}

export function ownership(history: History, device: number | undefined, wanted: DesiredDevice | undefined): Ownership {
  const others = new Map<string, string>()
  for (const { network, routes } of history.others) for (const key of routes) others.set(key, network)
  const tables = new Set(history.own.flatMap((applied) => applied.tables))
  if (wanted !== undefined) tables.add(TABLE_BASE + wanted.vni)
  return { device, applied: new Set(history.own.flatMap(({ routes }) => routes)), others, tables }
}

/** What the kernel has where the desired state would be; `device` is the tunnel's index where it is there. */
export function readPresent(netlink: Netlink, facts: Facts, own: Ownership): Present {
  const { device, tables } = own
  const routes = [...facts.routes]
  for (const table of tables) routes.push(...netlink.routes.list({ table }))
  return {
    routes,
    neighbours: device === undefined ? [] : netlink.neighbours.list({ linkIndex: device }),
    fdb: device === undefined ? [] : netlink.fdb.list(device),
    rules: tables.size === 0 ? [] : netlink.rules.list(),
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
  source: TableSource,
  here: Here,
): Comparison {
  const facts = readFacts(netlink)
  const desired = wish(nodes, facts, settings, source)
  const name = desired.device?.name
  const link = facts.links.find((candidate) => candidate.name === name && isDeviceOf(settings.network, candidate))
  const own = ownership(readHistory(settings, here), link?.index, desired.device)
  return { facts, desired, own, ...difference(desired, readPresent(netlink, facts, own), own) }
}

/** Keys of the routes an application makes, but for those that others hold. */
export function keysOf(desired: Desired): string[] {
  return desired.routes.map((route) => routeKey(route))
}
