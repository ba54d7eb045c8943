/** Attachments of other networks to the same bridge, by our own records: their leases may be in any store. */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { belongsTo } from '../../lib/interface/identity.js'
import { type Attached, SHAPE } from '../../lib/interface/record.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { keysIn, networksIn, type RecordsPlace, readRecord } from '../../lib/store/record.js'
import { stat } from '../../lib/sys/file.js'
import { isPortOf, type Segment } from './segment.js'

/** The port of a living attachment whose record `matches`. */
export function portOfOther(
  segment: Segment,
  stateDir: string,
  network: string,
  matches: (attached: Attached) => boolean,
): Link | undefined {
  for (const other of otherNetworks(stateDir, network)) {
    const place = { stateDir, plugin: 'bridge', network: other, shape: SHAPE }
    const keys = keysIn(place)
    if (!isHere(segment, keys)) continue
    const found = portAmong(segment, place, keys, matches)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Every ADD asks, so what says that there are none comes first: the links of a directory are its name, its own `.`, and the
 * `..` of each directory in it (a filesystem that does not count has 1).
 */
function otherNetworks(stateDir: string, network: string): string[] {
  const OWN_ALONE = 3
  if (stat(stateDir)?.links === OWN_ALONE) return []
  return networksIn(stateDir).filter((name) => name !== network)
}

/**
 * A network is on one bridge unless somebody edited it, so that its first living port spares reading the records of one that
 * is elsewhere. Links that are gone, or have another name than their first, tell nothing.
 */
function isHere(segment: Segment, keys: readonly string[]): boolean {
  for (const key of keys) {
    const link = segment.host.links.find(hostLinkName(key))
    if (link !== undefined && belongsTo(key, link)) return isPortOf(segment, link)
  }
  return keys.length > 0
}

function portAmong(
  segment: Segment,
  place: RecordsPlace,
  keys: readonly string[],
  matches: (attached: Attached) => boolean,
): Link | undefined {
  for (const key of keys) {
    const { content, sameBoot } = readRecord<Attached>(place, key)
    if (content === undefined || !sameBoot || !matches(content)) continue
    const link = segment.host.links.find(content.hostLink)
    if (link !== undefined && belongsTo(key, link) && isPortOf(segment, link)) return link
  }
  return undefined
}
