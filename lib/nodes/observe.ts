/** What this machine is and has, as far as the way to other nodes depends on it; and which way that is. */

import { equalAddresses, type Family, formatAddress, type IpAddress, isLinkLocal, isLoopback } from '../ip/address.js'
import { bitsOf, formatPrefix, networkOf, type Prefix } from '../ip/prefix.js'
import { PrefixMap } from '../ip/prefix-map.js'
import type { LinkAddress } from '../netlink/addresses.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { type KnownRoute, listRoutes, TABLE_MAIN } from '../netlink/routes.js'
import { listRules } from '../netlink/rules.js'
import { networkOfDevice } from './device.js'
import type { Ownership, Present } from './diff.js'
import { OWN_PROTOCOL } from './identity.js'

export interface Facts {
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
  /** Indexes of the links that are tunnels of ours: an address there makes no machine known by it. */
  readonly tunnels: ReadonlySet<number>
  /** The main table, both families. */
  readonly routes: readonly KnownRoute[]
}

export function readFacts(netlink: Netlink): Facts {
  const links = netlink.links.list()
  return {
    links,
    addresses: netlink.addresses.list(0),
    tunnels: new Set(links.filter((link) => networkOfDevice(link) !== undefined).map(({ index }) => index)),
    routes: netlink.routes.list({ table: TABLE_MAIN }),
  }
}

/** What the kernel has where the desired state would be. */
export function readPresent(netlink: Netlink, facts: Facts, { device, tables }: Ownership): Present {
  const routes = [...facts.routes]
  for (const table of tables) routes.push(...netlink.routes.list({ table }))
  return {
    routes,
    neighbours: device === undefined ? [] : netlink.neighbours.list({ linkIndex: device }),
    fdb: device === undefined ? [] : netlink.fdb.list(device),
    rules: tables.size === 0 ? [] : netlink.rules.list(),
  }
}

/** Addresses by which a node can be known: neither loopback nor link-local, and not those of a tunnel. */
export function ownAddresses(facts: Facts): IpAddress[] {
  return knownBy(facts)
    .map(({ prefix }) => prefix.address)
    .filter((a) => !isLoopback(a) && !isLinkLocal(a))
}

function knownBy({ addresses, tunnels }: Facts): readonly LinkAddress[] {
  return addresses.filter(({ linkIndex }) => !tunnels.has(linkIndex))
}

/** The way to an address that the main table gives. */
export interface Path {
  /** Index of the link to leave by; undefined for a route with several. */
  readonly link: number | undefined
  /** True where no gateway is between: the address is on a segment of this machine. */
  readonly direct: boolean
  readonly mtu: number
  /** Bits of the route's prefix: a longer one would win over it. */
  readonly length: number
}

export type PathFinder = (to: IpAddress) => Path | undefined

/** Finds ways as the kernel's main table does: the longest prefix, then the lowest metric. Our own routes do not count. */
export function pathFinder(facts: Facts): PathFinder {
  const mtus = new Map(facts.links.map(({ index, mtu }) => [index, mtu]))
  const best = new PrefixMap<KnownRoute>()
  for (const route of facts.routes) {
    if (route.protocol === OWN_PROTOCOL || route.type !== 'unicast' || (route.flags & RTNH_F_DEAD) !== 0) continue
    const prefix = route.to === 'default' ? EVERYTHING[route.family] : route.to
    const rival = best.get(prefix)
    if (rival === undefined || (route.priority ?? 0) < (rival.priority ?? 0)) best.set(prefix, route)
  }
  return (to) => {
    const found = best.find(to)
    if (found === undefined) return undefined
    const { value: route, prefix } = found
    const linkMtu = route.link === undefined ? undefined : mtus.get(route.link)
    const mtu = Math.min(route.mtu ?? 65535, linkMtu ?? 65535)
    const direct = route.via === undefined && route.link !== undefined
    return { link: route.link, direct, mtu, length: prefix.length }
  }
}

const RTNH_F_DEAD = 1

const EVERYTHING: { readonly [F in Family]: Prefix } = {
  4: { address: { family: 4, bytes: new Uint8Array(4) }, length: 0 },
  6: { address: { family: 6, bytes: new Uint8Array(16) }, length: 0 },
}

/** The link that has an address of this machine, as a way. */
export function homeOf(address: IpAddress, facts: Facts): Path | undefined {
  const home = knownBy(facts).find(({ prefix }) => equalAddresses(prefix.address, address))
  const link = facts.links.find(({ index }) => index === home?.linkIndex)
  return link === undefined
    ? undefined
    : { link: link.index, direct: true, mtu: link.mtu, length: bitsOf(address.family) }
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
    const key = formatPrefix({ ...prefix, address: networkOf(prefix) })
    if (!found.has(key)) found.set(key, { link, prefix })
  }
  return [...found.values()]
}

/** All of a link that an application may depend on, in one text; of index 0 the addresses of all links. */
export function linkLooks(netlink: Netlink, index: number): string {
  const link = index === 0 ? undefined : netlink.links.find(index)
  if (index !== 0 && link === undefined) return 'gone'
  return looksOf(link, netlink.addresses.list(index))
}

export function looksOf(link: Link | undefined, addresses: readonly LinkAddress[]): string {
  const own = addresses.map(({ prefix, linkIndex }) => `${formatPrefix(prefix)}@${linkIndex}`).sort()
  if (link === undefined) return own.join(' ')
  const local = link.data?.kind === 'vxlan' && link.data.local !== undefined ? formatAddress(link.data.local) : ''
  return [link.name, link.mtu, link.up ? 'up' : 'down', link.mac, link.alias ?? '', local, ...own].join(' ')
}

/** Our routes in every table, and the rules, by weight: a flush of any of them changes it. */
export function weigh(netlink: Netlink, families: readonly Family[], rules: boolean): string {
  const { socket } = netlink
  const weights = families.map((family) => socket.weigh(listRoutes(family, { protocol: OWN_PROTOCOL })))
  if (rules) weights.push(...families.map((family) => socket.weigh(listRules(family))))
  return weights.join(' ')
}
