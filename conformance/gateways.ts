/** Gateways: which of them are the plugin's own affair, and a pool in which no two addresses share one. */

import type { Context } from './context.js'
import type { Json } from './json.js'
import { gatewaysIn } from './witness.js'

/** The gateways of a result that are addresses of the host: of macvlan and its like they are elsewhere. */
export function gatewaysOnHost({ host }: Context, result: Json): string[] {
  const addresses = host
    .ip('addr', 'show')
    .flatMap(({ addr_info = [] }) => (addr_info as Json[]).map(({ local }) => local))
  return gatewaysIn(result).filter((gateway) => addresses.includes(gateway))
}

/**
 * Has the delegate give each attachment a subnet with a gateway of its own, for not every plugin can have one gateway on
 * two links of a container. Of IPv6, for not every bridge takes a second gateway of IPv4.
 */
export function answerWithSubnets(context: Context): void {
  const { fake } = context
  fake.answerFromPool(context.shape({ ips: [{ address: 'fd00:@N@::2/64', gateway: 'fd00:@N@::1' }], dns: {} }))
}
