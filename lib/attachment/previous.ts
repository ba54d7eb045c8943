/** What a chained plugin learns about its attachment from the plugins before it. */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Interface, Ip, Result } from '../cni/result.js'
import { type Family, type IpAddress, parseAddress } from '../ip/address.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'

/** The previous result; code 7 where there is none. */
export function requirePrevious(plugin: string, prevResult: Result | undefined): Result {
  if (prevResult !== undefined) return prevResult
  throw new CniError(
    ErrorCode.InvalidConfig,
    `${plugin} must be called as chained plugin: required prevResult missing`,
    `put "${plugin}" behind an interface plugin in the network's list of plugins`,
  )
}

/** Every address of the result, whatever interface it names. */
export function everyAddress({ ips = [] }: Result): IpAddress[] {
  return ips.flatMap(({ address }) => parseAddress(address.slice(0, address.indexOf('/'))) ?? [])
}

/**
 * The container's addresses, the surest first: those of the interface `ifName` in a sandbox (or of none that is named),
 * then of another interface in a sandbox, then of `ifName` where the result leaves the sandbox out.
 */
export function containerAddresses(result: Result, ifName: string): IpAddress[] {
  const { ips = [], interfaces = [] } = result
  const rankOf = ({ interface: at }: Ip): number => {
    const entry = at === undefined ? undefined : interfaces[at]
    if (entry === undefined) return 0
    const { name, sandbox = '' } = entry
    return (sandbox === '' ? 2 : 0) + (name === ifName ? 0 : 1)
  }
  const own = ips.filter((ip) => rankOf(ip) < 3).sort((a, b) => rankOf(a) - rankOf(b))
  return everyAddress({ ips: own })
}

/** The first of a family. */
export function addressOf(addresses: readonly IpAddress[], family: Family): IpAddress | undefined {
  return addresses.find((address) => address.family === family)
}

/** The host's interfaces in the result. */
export function hostInterfaces({ interfaces = [] }: Result): Interface[] {
  return interfaces.filter(({ sandbox = '' }) => sandbox === '')
}

/**
 * Where the host is the container's gateway, if that is a link of its own: for a VLAN `bridge` makes a veth pair that has
 * both ends on this host.
 */
export function vlanGateway(host: Netlink, previous: Result): Link | undefined {
  return hostInterfaces(previous)
    .map(({ name }) => host.links.find(name))
    .find((link) => link?.kind === 'veth' && link.peerNamespaceId === undefined)
}

/**
 * The link by which this host reaches an address of a container; undefined where there is none. `known` need not be
 * asked for.
 */
export function linkTowards(host: Netlink, address: IpAddress, known: readonly Link[] = []): Link | undefined {
  const entry = host.routes.match(address)
  if (entry === undefined) return undefined
  // An entry with several next hops names no link; a packet's route does.
  const route = entry.link === undefined ? host.routes.get(address) : entry
  if (route?.link === undefined || route.type !== 'unicast') return undefined
  return known.find(({ index }) => index === route.link) ?? host.links.find(route.link)
}
