/** CHECK inside the container: addresses and routes. */

import type { Route } from '../cni/result.js'
import { equalAddresses, type Family, parseAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import type { KnownRoute } from '../netlink/routes.js'
import type { Differs } from './model.js'
import { type Address, destinationOf, tableOf } from './routes.js'

export function checkAddresses(container: Netlink, link: Link, addresses: readonly Address[], differs: Differs): void {
  if (addresses.length === 0) {
    differs(`prevResult has no address for ${link.name}`)
    return
  }
  const present = new Map(container.addresses.list(link.index).map((known) => [formatPrefix(known.prefix), known]))
  for (const { prefix } of addresses) {
    const found = present.get(formatPrefix(prefix))
    if (found === undefined) differs(`${link.name} lacks ${formatPrefix(prefix)}`)
    else if (found.dadFailed) differs(`${formatPrefix(prefix)} is in use by another host as well (DAD failed)`)
  }
}

/**
 * Each in its own table, on any link: later plugins may have moved it. Before 1.1.0 a result does not tell the table
 * (`tellsTables`), so any is right.
 */
export function checkRoutes(
  container: Netlink,
  routes: readonly Route[],
  tellsTables: boolean,
  differs: Differs,
): void {
  const lists = new Map<string, ReturnType<typeof byDestination>>()
  for (const route of routes) {
    const to = destinationOf(route.dst)
    if (to === undefined) {
      differs(`route destination ${JSON.stringify(route.dst)} is not an address with a prefix length`)
      continue
    }
    const { family } = to.address
    const table = tableOf(route.table)
    const at = `${family} ${table}`
    const present = lists.get(at) ?? byDestination(container.routes.list(tellsTables ? { family, table } : { family }))
    lists.set(at, present)
    const there = present.get(keyOf(family, to)) ?? []
    if (!there.some((known) => isSame(known, route))) differs(`${describe(route)} is missing`)
  }
}

/** So that thousands of routes are not each compared with each. */
function byDestination(routes: readonly KnownRoute[]): Map<string, KnownRoute[]> {
  const lists = new Map<string, KnownRoute[]>()
  for (const route of routes) {
    const key = keyOf(route.family, route.to)
    const others = lists.get(key)
    if (others === undefined) lists.set(key, [route])
    else others.push(route)
  }
  return lists
}

function keyOf(family: Family, to: KnownRoute['to']): string {
  return to === 'default' || to.length === 0 ? `default of IPv${family}` : formatPrefix(to)
}

/** For routes to one destination. */
function isSame(known: KnownRoute, { gw, priority }: Route): boolean {
  if (priority !== undefined && priority !== 0 && known.priority !== priority) return false
  if (gw === undefined) return true
  // The kernel lists one destination with several next hops as one route with none.
  if (known.via === undefined) return known.link === undefined
  const wanted = parseAddress(gw)
  return wanted !== undefined && equalAddresses(known.via, wanted)
}

function describe({ dst, gw, priority, table }: Route): string {
  const via = gw === undefined ? '' : ` via ${gw}`
  const metric = priority === undefined || priority === 0 ? '' : ` metric ${priority}`
  return `route ${dst}${via}${metric}${table === undefined || table === 0 ? '' : ` in table ${table}`}`
}
