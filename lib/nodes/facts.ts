/** What this machine is, as far as the way to other nodes depends on it; and which way that is. */

import { type Family, type IpAddress, isLinkLocal, isLoopback } from '../ip/address.js'
import { bitsOf, networkOf, type Prefix } from '../ip/prefix.js'
import type { LinkAddress } from '../netlink/addresses.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { type KnownRoute, TABLE_MAIN } from '../netlink/routes.js'
import { OWN_PROTOCOL } from './identity.js'

export interface Facts {
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
  /** The main table, both families. */
  readonly routes: readonly KnownRoute[]
}

export function readFacts(netlink: Netlink): Facts {
  return {
    links: netlink.links.list(),
    addresses: netlink.addresses.list(0),
    routes: netlink.routes.list({ table: TABLE_MAIN }),
  }
}

/** Addresses by which a node can be known: neither loopback nor link-local. */
export function ownAddresses(facts: Facts): IpAddress[] {
  return facts.addresses.map(({ prefix }) => prefix.address).filter((a) => !isLoopback(a) && !isLinkLocal(a))
}

/** The way to an address that the main table gives. */
export interface Path {
  /** Index of the link to leave by; undefined for a route with several. */
  readonly link: number | undefined
  /** True where no gateway is between: the address is on a segment of this machine. */
  readonly direct: boolean
  readonly mtu: number
}

/** Finds ways as the kernel's main table does: the longest prefix, then the lowest metric. Our own routes do not count. */
export function pathFinder(facts: Facts): (to: IpAddress) => Path | undefined {
  const mtus = new Map(facts.links.map(({ index, mtu }) => [index, mtu]))
  const tables: Record<Family, LengthTable[]> = { 4: [], 6: [] }
  for (const route of facts.routes) {
    if (route.protocol === OWN_PROTOCOL || route.type !== 'unicast' || (route.flags & RTNH_F_DEAD) !== 0) continue
    const prefix = route.to === 'default' ? undefined : route.to
    const length = prefix?.length ?? 0
    let table = tables[route.family].find((candidate) => candidate.length === length)
    if (table === undefined) {
      table = { length, routes: new Map() }
      tables[route.family].push(table)
    }
    const key = prefix === undefined ? '' : keyOf(prefix.address, length)
    const rival = table.routes.get(key)
    if (rival === undefined || (route.priority ?? 0) < (rival.priority ?? 0)) table.routes.set(key, route)
  }
  for (const family of [4, 6] as const) tables[family].sort((a, b) => b.length - a.length)

  return (to) => {
    for (const { length, routes } of tables[to.family]) {
      const route = routes.get(length === 0 ? '' : keyOf(to, length))
      if (route === undefined) continue
      const linkMtu = route.link === undefined ? undefined : mtus.get(route.link)
      const mtu = Math.min(route.mtu ?? 65535, linkMtu ?? 65535)
      return { link: route.link, direct: route.via === undefined && route.link !== undefined, mtu }
    }
    return undefined
  }
}

const RTNH_F_DEAD = 1

interface LengthTable {
  readonly length: number
  readonly routes: Map<string, KnownRoute>
}

/** The first `length` bits of an address as a key. */
function keyOf(address: IpAddress, length: number): string {
  const { bytes } = length === bitsOf(address.family) ? address : networkOf({ address, length })
  let key = ''
  for (const byte of bytes) key += String.fromCharCode(byte)
  return key
}

/** The subnets of this machine's links, each once, with a link that has it; link-local ones left out. */
export function localSubnets(
  facts: Facts,
  skip: (link: Link) => boolean,
): { readonly link: Link; readonly prefix: Prefix }[] {
  const links = new Map(facts.links.map((link) => [link.index, link]))
  const found = new Map<string, { link: Link; prefix: Prefix }>()
  for (const { prefix, linkIndex } of facts.addresses) {
    const link = links.get(linkIndex)
    if (link === undefined || skip(link) || isLoopback(prefix.address) || isLinkLocal(prefix.address)) continue
    const key = `${prefix.length} ${keyOf(prefix.address, prefix.length)}`
    if (!found.has(key)) found.set(key, { link, prefix })
  }
  return [...found.values()]
}
