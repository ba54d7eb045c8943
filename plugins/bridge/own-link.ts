/** The host's end of an attachment's pair. */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Attached } from './attached.js'
import { belongsTo } from './identity.js'

/** By its name; by its MAC or alias among all veths where somebody has renamed it. Undefined where there is none. */
export function findOwnLink(host: Netlink, key: string, attached: Attached | undefined): Link | undefined {
  const names = attached === undefined ? [hostLinkName(key, 0), hostLinkName(key, 1)] : [attached.hostLink]
  for (const name of names) {
    const link = host.links.find(name)
    if (link !== undefined && belongsTo(key, link)) return link
  }
  return host.links.list({ kind: 'veth' }).find((link) => belongsTo(key, link))
}
