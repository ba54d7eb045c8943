/** The routes that an IPAM plugin copies from its configuration into the result. */

import type { Route } from '../cni/result.js'
import { parseAddress } from '../ip/address.js'
import { formatPrefix, parsePrefix } from '../ip/prefix.js'
import { refuse } from './refuse.js'

/**
 * Return `ipam.routes` in their order, with addresses in canonical spelling. `table` and `scope` may be 0; the other
 * numbers mean nothing where they are 0, and are left out. Throws code 7 with the pointer to what is no address.
 */
export function routesOf(routes: readonly Route[] = []): Route[] {
  return routes.map((route, at) => {
    const pointer = `/ipam/routes/${at}`
    const destination = parsePrefix(route.dst)
    if (destination === undefined) return refuse(`${pointer}/dst`, `invalid CIDR address: ${route.dst}`)
    const { gw = '', mtu = 0, advmss = 0, priority = 0, table, scope } = route
    if (gw !== '' && parseAddress(gw) === undefined) return refuse(`${pointer}/gw`, `invalid IP address: ${gw}`)
    return {
      dst: formatPrefix(destination),
      ...(gw === '' ? {} : { gw }),
      ...(mtu === 0 ? {} : { mtu }),
      ...(advmss === 0 ? {} : { advmss }),
      ...(priority === 0 ? {} : { priority }),
      ...(table === undefined ? {} : { table }),
      ...(scope === undefined ? {} : { scope }),
    }
  })
}
