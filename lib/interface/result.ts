/** The result of ADD. */

import type { NetworkConfig } from '../cni/config.js'
import { dnsOf } from '../cni/dns.js'
import type { AddRequest } from '../cni/request.js'
import type { Dns, Interface, Result, Route } from '../cni/result.js'
import { formatAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import type { ContainerEnd } from './model.js'
import type { Address } from './routes.js'

/** What the result tells of an attachment. */
export interface Outcome {
  readonly before: readonly Interface[]
  readonly end: ContainerEnd
  readonly after: readonly Interface[]
  readonly addresses: readonly Address[]
  readonly routes: Route[]
  /** What IPAM says. */
  readonly dns: Dns | undefined
}

/** Behind what the plugins before have, if there is such. */
export function resultOf(
  { config, netns, prevResult }: AddRequest<NetworkConfig>,
  { before, end, after, addresses, routes, dns }: Outcome,
): Result {
  const own = {
    interfaces: [...before.map(entry), { ...entry(end), sandbox: netns }, ...after.map(entry)],
    ips: addresses.map(({ prefix, gateway }) => ({
      address: formatPrefix(prefix),
      ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }),
      interface: before.length,
    })),
    routes,
    dns: effectiveDns(config.dns, dns),
  }
  return prevResult === undefined ? own : extend(prevResult, own)
}

/** Without what else is known of a link. */
function entry({ name, mac, mtu }: Interface): Interface {
  return { name, ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) }
}

/** The configuration's `dns` is taken if it has any member, be it an empty list. */
function effectiveDns(configured: NetworkConfig['dns'], leased: Dns | undefined): Dns {
  if (configured === undefined) return leased ?? {}
  const { nameservers, domain = '', search, options } = configured
  if (nameservers === undefined && search === undefined && options === undefined && domain === '') return leased ?? {}
  return dnsOf(configured)
}

function extend(before: Result, own: Required<Result>): Result {
  const offset = before.interfaces?.length ?? 0
  return {
    ...before,
    interfaces: [...(before.interfaces ?? []), ...own.interfaces],
    ips: [...(before.ips ?? []), ...own.ips.map((ip) => ({ ...ip, interface: (ip.interface ?? 0) + offset }))],
    routes: [...(before.routes ?? []), ...own.routes],
    dns: Object.keys(own.dns).length > 0 ? own.dns : (before.dns ?? {}),
  }
}
