/** The host's end of an attachment's pair. */

import { hostLinkName } from '../attachment/link-identity.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { belongsTo } from './identity.js'

/** By its name; by its MAC or alias among all veths where somebody has renamed it. Undefined where there is none. */
export function findOwnLink(
  host: Netlink,
  key: string,
  recorded: { readonly hostLink: string } | undefined,
): Link | undefined {
  const names = recorded === undefined ? [hostLinkName(key, 0), hostLinkName(key, 1)] : [recorded.hostLink]
  for (const name of names) {
    const link = host.links.find(name)
    if (link !== undefined && belongsTo(key, link)) return link
  }
  return host.links.list({ kind: 'veth' }).find((link) => belongsTo(key, link))
}
