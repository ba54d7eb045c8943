/** An attachment's link, where it can be recognised: the host's end of a pair, any other kind in the container. */

import { hostLinkName, keyInAlias } from '../attachment/link-identity.js'
import type { Link } from '../netlink/links/link.js'
import { type Netlink, openNetlink } from '../netlink/netlink.js'
import { inContainerIfPresent } from '../netns/namespace.js'
import { belongsTo } from './identity.js'
import type { Attached } from './record.js'

export interface Found {
  readonly link: Link
  /** Of the namespace that it is in. */
  readonly netlink: Netlink
}

/** Of the attachment; of one whose record cannot be read, its key alone. */
export interface Whose {
  readonly key: string
  readonly ifName: string
}

/** Returns undefined where there is none. */
export function findOwnLink(
  kind: string,
  host: Netlink,
  whose: Whose,
  recorded: Pick<Attached, 'hostLink' | 'netns'> | undefined,
): Found | undefined {
  if (kind !== 'veth') return findInside(kind, recorded?.netns ?? '', whose)
  const link = findHostEnd(host, whose.key, recorded)
  return link && { link, netlink: host }
}

/** By its name; by its MAC or alias among all veths where somebody has renamed it. */
function findHostEnd(host: Netlink, key: string, recorded: Pick<Attached, 'hostLink'> | undefined): Link | undefined {
  const names = recorded === undefined ? [hostLinkName(key, 0), hostLinkName(key, 1)] : [recorded.hostLink]
  for (const name of names) {
    const link = host.links.find(name)
    if (link !== undefined && belongsTo(key, link)) return link
  }
  return host.links.list({ kind: 'veth' }).find((link) => belongsTo(key, link))
}

/**
 * By its alias, whatever it is called by now. One of that name without an alias counts, too: an ADD that was killed may
 * not have come to give it one.
 */
function findInside(kind: string, netns: string, { key, ifName }: Whose): Found | undefined {
  const netlink = inContainerIfPresent(netns, openNetlink)
  const link = netlink?.links
    .list({ kind })
    .find(({ name, alias }) => (keyInAlias(alias) ?? (name === ifName ? key : undefined)) === key)
  return netlink && link && { link, netlink }
}
