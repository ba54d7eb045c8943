/** Who has a MAC that a container is to get. Two of one segment would take each other's frames. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { belongsTo } from '../../lib/interface/identity.js'
import type { Attached } from '../../lib/interface/record.js'
import { equalAddresses, formatAddress } from '../../lib/ip/address.js'
import { addressOfMac } from '../../lib/ip/mac.js'
import { containsAddress, type Prefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { listRecords, networksIn } from '../../lib/store/record.js'
import { endsInContainer, isPortOf, locate, nameOf, type Segment } from './segment.js'

/** Throws code 103 where the bridge, or a living container of the segment but the one with this key, has the MAC. */
export function refuseTakenMac(segment: Segment, stateDir: string, key: string, mac: string): void {
  const holder = ofBridge(segment, mac) ?? ofPort(segment, mac) ?? ofRecord(segment, stateDir, key, mac)
  if (holder !== undefined) throw taken(segment.bridge, mac, `${holder} has it`)
}

function ofBridge({ bridge, door }: Segment, mac: string): string | undefined {
  const link = [bridge, door].find((one) => one?.mac === mac)
  return link === undefined ? undefined : `${link.name} itself`
}

/** A MAC behind an uplink may be that of a machine which is moving here. */
function ofPort(segment: Segment, mac: string): string | undefined {
  const found = locate(segment, mac)
  return found !== undefined && (found.own || endsInContainer(found.port)) ? nameOf(found.port) : undefined
}

/** A bridge forgets the MACs of those that have sent nothing for minutes; our records do not. */
function ofRecord(segment: Segment, stateDir: string, key: string, mac: string): string | undefined {
  for (const network of networksIn(stateDir)) {
    for (const record of listRecords<Attached>({ stateDir, plugin: 'bridge', network })) {
      if (record.content?.mac !== mac || record.key === key || !record.sameBoot) continue
      const link = segment.host.links.find(record.content.hostLink)
      if (link !== undefined && belongsTo(record.key, link) && isPortOf(segment, link)) return nameOf(link)
    }
  }
  return undefined
}

/**
 * Throws code 103 for a requested MAC that says an IPv4 address of the container's network but none of its own: it is the MAC
 * of whichever container has that address, now or later.
 */
export function refuseMacOfOthers({ bridge }: Segment, prefixes: readonly Prefix[], mac: string): void {
  const said = addressOfMac(mac)
  if (said === undefined) return
  const own = prefixes.some(({ address }) => equalAddresses(address, said))
  if (own || !prefixes.some((prefix) => containsAddress(prefix, said))) return
  throw taken(bridge, mac, `it belongs to the container that has ${formatAddress(said)}`)
}

function taken({ name }: Link, mac: string, why: string): CniError {
  return new CniError(
    ErrorCode.AddressUnavailable,
    `MAC address ${mac} is already in use on bridge "${name}"`,
    `${why}; ask for another MAC, or for none`,
  )
}
