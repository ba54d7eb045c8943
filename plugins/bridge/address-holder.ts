/**
 * Who has an address that IPAM has just given: IPAM knows its own leases, this node its bridge. A bridge may be shared with
 * another network, another program, or containers whose leases are lost.
 */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { belongsTo } from '../../lib/interface/identity.js'
import type { Held } from '../../lib/interface/model.js'
import type { Address } from '../../lib/interface/routes.js'
import type { IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { attachmentKey } from '../../lib/store/record.js'
import { leaseDirectoryOf } from './config.js'
import { refuseMacOfOthers } from './mac-holder.js'
import type { BridgeWork, Joined } from './model.js'
import { type OtherLease, otherLeases } from './other-leases.js'
import { answers, endsInContainer, isPortOf, locate, nameOf, type Segment } from './segment.js'

/** The first of the addresses that another container of the segment has. Throws code 103 for a MAC that says another's. */
export function holderOf(
  { request, settings }: BridgeWork,
  made: Joined,
  wanted: readonly Address[],
): Held | undefined {
  const { segment, hostEnd } = made
  const prefixes = wanted.map(({ prefix }) => prefix)
  if (settings.mac !== undefined) refuseMacOfOthers(segment, prefixes, settings.mac)
  const dataDir = settings.ipam === 'host-local' ? leaseDirectoryOf(request.config) : undefined
  const store = dataDir === undefined ? undefined : { dataDir, network: request.network }
  const addresses = prefixes.map(({ address }) => address)
  const held = findHolder(segment, hostEnd, addresses, store)
  return held && { ...held, segment: `bridge "${settings.bridge}"` }
}

/** A holder, before it is said where. */
type Holding = Omit<Held, 'segment'>

/** Where leases are that IPAM does not look at; absent where the IPAM plugin has none in files. */
interface LeaseStore {
  readonly dataDir: string
  /** The network that IPAM does look at. */
  readonly network: string
}

/** The first of the addresses that a living container of the segment has; `own` is the host's end of the asking one. */
function findHolder(
  segment: Segment,
  own: Link,
  addresses: readonly IpAddress[],
  store: LeaseStore | undefined,
): Holding | undefined {
  return byNeighbour(segment, own, addresses) ?? (store && byLease(segment, own, addresses, store))
}

/** An entry is believed where the bridge has its MAC on a container's port: a port that is gone takes its MACs along. */
function byNeighbour(segment: Segment, own: Link, addresses: readonly IpAddress[]): Holding | undefined {
  const { host, door } = segment
  if (door === undefined) return undefined
  for (const { address, mac } of host.neighbours.find(door.index, addresses)) {
    const port = mac === undefined ? undefined : locate(segment, mac)?.port
    if (port === undefined || port.index === own.index || !endsInContainer(port)) continue
    return { address, holder: `${nameOf(port)}, with MAC ${mac},` }
  }
  return undefined
}

function byLease(
  segment: Segment,
  own: Link,
  addresses: readonly IpAddress[],
  { dataDir, network }: LeaseStore,
): Holding | undefined {
  for (const lease of otherLeases(dataDir, network, addresses)) {
    if (isHere(segment, own, lease)) return { address: lease.address, holder: describe(lease) }
  }
  return undefined
}

/**
 * Whether a lease's container is on the segment: of one of ours the link tells, another program's is asked. Networks on
 * other bridges may lease the same addresses, and a lease outlives a container whose DEL did not know its network.
 */
function isHere(segment: Segment, own: Link, { network, containerId, ifName, address }: OtherLease): boolean {
  const key = attachmentKey(network, containerId, ifName)
  for (const attempt of [0, 1]) {
    const link = segment.host.links.find(hostLinkName(key, attempt))
    if (link !== undefined && link.index !== own.index && belongsTo(key, link)) return isPortOf(segment, link)
  }
  return answers(segment, address)
}

function describe({ network, containerId, ifName }: OtherLease): string {
  return `container ${containerId}${ifName === '' ? '' : `/${ifName}`} of network ${network}`
}
