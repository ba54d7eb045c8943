/** Routes of a result as the kernel is asked for them. */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Result, Route } from '../cni/result.js'
import { equalAddresses, type Family, formatAddress, type IpAddress, nextAddress, parseAddress } from '../ip/address.js'
import { hasHostBits, networkOf, type Prefix, parsePrefix } from '../ip/prefix.js'
import type { Route as KernelRoute } from '../netlink/routes.js'

/** RT_SCOPE_LINK: this and what is narrower has no next hop. */
const SCOPE_LINK = 253
const TABLE_MAIN = 254

export interface Address {
  readonly prefix: Prefix
  readonly gateway: IpAddress | undefined
}

/** The addresses of a result. Throws code 7 for what is none. */
export function addressesOf(result: Result): Address[] {
  return (result.ips ?? []).map(({ address, gateway }) => {
    const prefix = parsePrefix(address)
    if (prefix === undefined) throw invalid(`address ${JSON.stringify(address)} is no address with a prefix length`)
    const via = gateway === undefined ? undefined : parseAddress(gateway)
    if (gateway !== undefined && via === undefined) throw invalid(`gateway ${JSON.stringify(gateway)} is no address`)
    if (via !== undefined && via.family !== prefix.address.family) {
      throw invalid(`gateway ${gateway} and address ${address} are of two families`)
    }
    return { prefix, gateway: via }
  })
}

/** What IPAM said, or the first address of the network; in a /31 that is not the container's own. */
export function gatewayFor({ prefix, gateway }: Address): IpAddress {
  if (gateway !== undefined) return gateway
  const first = nextAddress(networkOf(prefix))
  return equalAddresses(first, prefix.address) ? networkOf(prefix) : first
}

/** The first gateway of a family, which routes without one of their own go by. */
export function gatewayOf(addresses: readonly Address[], family: Family): IpAddress | undefined {
  return addresses.find(({ prefix, gateway }) => gateway !== undefined && prefix.address.family === family)?.gateway
}

/**
 * A default route for each family that has a gateway, in the order of the addresses, unless the list has one,
 * whichever way it goes: a second would only collide with it.
 */
export function missingDefaultRoutes(addresses: readonly Address[], routes: readonly Route[]): Route[] {
  const families = new Set(addresses.map(({ prefix }) => prefix.address.family))
  return [...families].flatMap((family) => {
    const gateway = gatewayOf(addresses, family)
    if (gateway === undefined || routes.some((route) => isDefault(route, family))) return []
    return [{ dst: family === 4 ? '0.0.0.0/0' : '::/0', gw: formatAddress(gateway) }]
  })
}

function isDefault({ dst, table }: Route, family: Family): boolean {
  const prefix = parsePrefix(dst)
  return prefix?.length === 0 && prefix.address.family === family && tableOf(table) === TABLE_MAIN
}

/** Table 0 is how the specification's routes say main. */
export function tableOf(table: number | undefined): number {
  return table === undefined || table === 0 ? TABLE_MAIN : table
}

/**
 * The destination of a route; undefined where the text is no prefix. Host bits behind an IPv6 prefix are cleared, as the
 * kernel clears them; with those of IPv4 it refuses the route, so they are kept.
 */
export function destinationOf(dst: string): Prefix | undefined {
  const prefix = parsePrefix(dst)
  return prefix?.address.family === 6 ? { address: networkOf(prefix), length: prefix.length } : prefix
}

/** What to ask the kernel for, for routes on the link of this index. Throws code 7 for what cannot be one. */
export function toKernelRoute(route: Route, link: number, addresses: readonly Address[]): KernelRoute {
  const { dst, gw, mtu, advmss, priority, table, scope = 0 } = route
  const to = destinationOf(dst)
  if (to === undefined) throw invalid(`route destination ${JSON.stringify(dst)} is no prefix`)
  if (hasHostBits(to)) throw invalid(`route destination ${dst} has bits set behind its prefix length`)
  const { family } = to.address
  const given = gw === undefined ? undefined : parseAddress(gw)
  if (gw !== undefined && given?.family !== family) {
    throw invalid(`next hop ${JSON.stringify(gw)} of route ${dst} is no address of its family`)
  }
  return {
    to,
    via: given ?? (scope >= SCOPE_LINK ? undefined : gatewayOf(addresses, family)),
    link,
    table: tableOf(table),
    priority: priority === 0 ? undefined : priority,
    scope,
    mtu: mtu === 0 ? undefined : mtu,
    advertisedMss: advmss === 0 ? undefined : advmss,
  }
}

function invalid(what: string): CniError {
  return new CniError(ErrorCode.InvalidConfig, `invalid result of IPAM: ${what}`)
}
