/** Another container of this node that has an address: the host can route it only once. */

import { keyInAlias } from '../../lib/attachment/link-identity.js'
import type { Held, Work } from '../../lib/interface/model.js'
import type { Paired } from '../../lib/interface/pair.js'
import type { Address } from '../../lib/interface/routes.js'
import type { InterfaceSettings } from '../../lib/interface/settings.js'
import type { IpAddress } from '../../lib/ip/address.js'
import { equalPrefixes, hostPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { PtpConfig } from './config.js'

/** Whoever attached it: a route to the address alone, by a pair, is another container's. */
export function holder(
  { host }: Work<PtpConfig, InterfaceSettings>,
  _made: Paired,
  addresses: readonly Address[],
): Held | undefined {
  for (const { prefix } of addresses) {
    const link = linkOf(host, prefix.address)
    if (link?.kind !== 'veth') continue
    const whose = keyInAlias(link.alias) === undefined ? '' : ` (${link.alias?.slice(17)})`
    return { address: prefix.address, holder: `${link.name}${whose}`, segment: 'this node' }
  }
  return undefined
}

/** The link that the host reaches this address by, and no other address. */
function linkOf(host: Netlink, address: IpAddress): Link | undefined {
  const route = host.routes.match(address)
  if (route?.link === undefined || route.to === 'default') return undefined
  return equalPrefixes(route.to, hostPrefix(address)) ? host.links.find(route.link) : undefined
}
