/**
 * Routes to the container's own subnet through a gateway: between isolated ports the only way. The kernel makes a route
 * to that subnet for the address itself, straight to the link, and that one must come after them.
 */

import { equalAddresses, type IpAddress } from '../ip/address.js'
import { containsAddress, hostPrefix, networkOf, type Prefix } from '../ip/prefix.js'
import { type Route as KernelRoute, TABLE_MAIN } from '../netlink/routes.js'
import { defaultMetric } from './add-route.js'

/** How far behind: a route that evades an equal one of another attachment is still in front. */
const DISTANCE = 64
const LARGEST_METRIC = 0xffffffff

/** The metric of the kernel's own route for this address; undefined where it may have its usual one. */
export function connectedMetric(prefix: Prefix, routes: readonly KernelRoute[]): number | undefined {
  const metrics = routes
    .filter((route) => leadsAround(route, prefix))
    .map(({ priority }) => priority ?? defaultMetric(prefix.address.family))
  return metrics.length === 0 ? undefined : Math.min(Math.max(...metrics) + DISTANCE, LARGEST_METRIC)
}

/**
 * The routes straight to the gateways that such IPv6 routes need: a next hop that is itself reached by a gateway is
 * refused, so without them these would be the last routes by their gateway that the kernel takes.
 */
export function gatewayRoutes(prefixes: readonly Prefix[], routes: readonly KernelRoute[]): KernelRoute[] {
  const gateways: IpAddress[] = []
  for (const prefix of prefixes) {
    if (prefix.address.family === 4) continue
    for (const route of routes) {
      const { via } = route
      if (via === undefined || !leadsAround(route, prefix) || !containsAddress(prefix, via)) continue
      if (!gateways.some((known) => equalAddresses(known, via))) gateways.push(via)
    }
  }
  return gateways.map((gateway) => ({ to: hostPrefix(gateway), link: routes[0]?.link }))
}

function leadsAround({ to, via, table }: KernelRoute, prefix: Prefix): boolean {
  if (via === undefined || to === 'default' || to.length !== prefix.length) return false
  return (table ?? TABLE_MAIN) === TABLE_MAIN && equalAddresses(to.address, networkOf(prefix))
}
