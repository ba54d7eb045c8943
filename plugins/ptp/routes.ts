/** What leads from the container to its gateway, and from the host to the container. */

import type { ContainerEnd, Work } from '../../lib/interface/model.js'
import type { Paired } from '../../lib/interface/pair.js'
import type { Address } from '../../lib/interface/routes.js'
import type { InterfaceSettings } from '../../lib/interface/settings.js'
import { equalAddresses, type IpAddress } from '../../lib/ip/address.js'
import { equalPrefixes, hostPrefix, networkOf } from '../../lib/ip/prefix.js'
import { addAddress } from '../../lib/netlink/addresses.js'
import { addRoute, type Route } from '../../lib/netlink/routes.js'
import { warn } from '../../lib/sys/log.js'
import { enableForwarding } from '../../lib/sysctl/forwarding.js'
import { ipv6IsOff, isIpv6Off, turnIpv6On } from '../../lib/sysctl/ipv6.js'
import type { PtpConfig } from './config.js'

/**
 * Behind the link is the gateway alone, so that neighbours in the container's subnet are reached through it as well. Two
 * addresses with one gateway share the route to it.
 */
export function connectedRoutes({ index: link }: ContainerEnd, addresses: readonly Address[]): Route[] {
  const routes: Route[] = []
  const add = (route: Route & { readonly to: Exclude<Route['to'], 'default'> }) => {
    if (!routes.some(({ to }) => to !== 'default' && equalPrefixes(to, route.to))) routes.push(route)
  }
  for (const { prefix, gateway } of addresses) {
    if (gateway !== undefined) add({ to: hostPrefix(gateway), link, source: prefix.address })
  }
  for (const { prefix, gateway: via } of addresses) {
    if (via !== undefined && prefix.length < prefix.address.bytes.length * 8) {
      add({ to: { address: networkOf(prefix), length: prefix.length }, via, link, source: prefix.address })
    }
  }
  return routes
}

/** The gateways that the host's end has. */
export function gatewaysOf(addresses: readonly Address[]): IpAddress[] {
  const gateways = addresses.flatMap(({ gateway }) => gateway ?? [])
  return gateways.filter((one, at) => gateways.findIndex((other) => equalAddresses(one, other)) === at)
}

/** All of it ends with the pair. */
export function routeToContainer(
  { host }: Work<PtpConfig, InterfaceSettings>,
  { hostEnd }: Paired,
  addresses: readonly Address[],
): undefined {
  for (const family of [4, 6] as const) {
    if (!addresses.some(({ prefix }) => prefix.address.family === family)) continue
    if (family === 6) ensureIpv6(hostEnd.name)
    enableForwarding(host, family)
  }
  const failures = host.batch([
    ...gatewaysOf(addresses).map((gateway) =>
      addAddress(hostEnd.index, { prefix: hostPrefix(gateway), noDad: true }, { exclusive: true }),
    ),
    ...addresses.map(({ prefix }) =>
      addRoute({ to: hostPrefix(prefix.address), link: hostEnd.index }, 'create-exclusive'),
    ),
  ])
  for (const { error } of failures) throw error
}

function ensureIpv6(link: string): void {
  if (!isIpv6Off(link)) return
  if (!turnIpv6On(link)) throw ipv6IsOff('the container has an IPv6 address', link)
  warn(`IPv6 was off on ${link} by sysctl: turned on, as the network has IPv6 addresses`)
}
