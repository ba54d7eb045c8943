/** ADD results in the shape of a version, for prevResult and for scripted answers. */

import type { Json } from './json.js'
import { atLeast } from './version.js'

/**
 * A result of the newest shape in that of `version`: no newer members, addresses with their family before
 * 1.0.0, one address of each family before 0.3.0.
 */
export function shape(version: string, result: Json): Json {
  const { interfaces, ips = [], routes = [], dns } = result
  if (!atLeast(version, '0.3.0')) return oldest(version, ips, routes, dns)
  const shaped: Json = { cniVersion: version }
  const newest = atLeast(version, '1.1.0')
  if (interfaces !== undefined) {
    shaped.interfaces = newest ? interfaces : interfaces.map((link: Json) => pick(link, ['name', 'mac', 'sandbox']))
  }
  shaped.ips = atLeast(version, '1.0.0') ? ips : ips.map((ip: Json) => ({ version: family(ip.address), ...ip }))
  shaped.routes = newest ? routes : routes.map((route: Json) => pick(route, ['dst', 'gw']))
  if (dns !== undefined || !atLeast(version, '0.4.0')) shaped.dns = dns ?? {}
  return shaped
}

function oldest(cniVersion: string, ips: Json[], routes: Json[], dns: Json): Json {
  const shaped: Json = { cniVersion }
  for (const number of ['4', '6']) {
    const first = ips.find((ip) => family(ip.address) === number)
    if (first === undefined) continue
    shaped[`ip${number}`] = {
      ip: first.address,
      ...(first.gateway === undefined ? {} : { gateway: first.gateway }),
      routes: routes.filter((route) => family(route.dst) === number).map((route) => pick(route, ['dst', 'gw'])),
    }
  }
  if (dns !== undefined) shaped.dns = dns
  return shaped
}

/** '4' or '6'. */
export function family(address: string): string {
  return address.includes(':') ? '6' : '4'
}

function pick(object: Json, keys: string[]): Json {
  return Object.fromEntries(keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]))
}
