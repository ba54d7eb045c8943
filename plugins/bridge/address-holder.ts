/**
 * Who has an address that IPAM has just given: IPAM knows its own leases, this node its bridge. A bridge may be shared with
 * another network, another program, or containers whose leases are lost.
 */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { belongsTo } from '../../lib/interface/identity.js'
import { ownMac } from '../../lib/interface/mac.js'
import type { Held } from '../../lib/interface/model.js'
import type { Address } from '../../lib/interface/routes.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { addressOfMac } from '../../lib/ip/mac.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { attachmentKey } from '../../lib/store/record.js'
import { DEFAULT_DATA_DIR, leaseDirectoryOf } from './config.js'
import { refuseMacOfOthers } from './mac-holder.js'
import type { BridgeWork, Joined } from './model.js'
import { portOfOther } from './other-attachments.js'
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
  const addresses = prefixes.map(({ address }) => address)
  const asking = {
    network: request.network,
    own: hostEnd,
    boundMac: settings.mac === undefined ? ownMac(settings.ipam, addresses) : undefined,
    stateDir: stateDirOf(request.config),
    dataDir: settings.ipam === 'host-local' ? leaseDirectoryOf(request.config) : undefined,
  }
  const held = findHolder(segment, asking, addresses)
  return held && { ...held, segment: `bridge "${settings.bridge}"` }
}

/** A holder, before it is said where. */
type Holding = Omit<Held, 'segment'>

/** Who asks, and what its IPAM plugin looks at itself. */
interface Asking {
  readonly network: string
  /** The host's end of its pair. */
  readonly own: Link
  /** The MAC that it gets from its address; undefined where it has another. */
  readonly boundMac: string | undefined
  readonly stateDir: string
  /** Absent where the IPAM plugin has no leases in files. */
  readonly dataDir: string | undefined
}

/** The first of the addresses that a living container of the segment has. */
function findHolder(segment: Segment, asking: Asking, addresses: readonly IpAddress[]): Holding | undefined {
  return (
    byNeighbour(segment, asking, addresses) ??
    byMac(segment, asking) ??
    byLease(segment, asking, addresses) ??
    byRecord(segment, asking, addresses)
  )
}

/** An entry is believed where the bridge has its MAC on a container's port: a port that is gone takes its MACs along. */
function byNeighbour(segment: Segment, { own }: Asking, addresses: readonly IpAddress[]): Holding | undefined {
  const { host, door } = segment
  if (door === undefined) return undefined
  for (const { address, mac } of host.neighbours.find(door.index, addresses)) {
    const port = mac === undefined ? undefined : locate(segment, mac)?.port
    if (port === undefined || port.index === own.index || !endsInContainer(port)) continue
    return { address, holder: withMac(port, mac) }
  }
  return undefined
}

/** Whoever has the MAC that says an address has the address as well, and would lose its frames in any case. */
function byMac(segment: Segment, { own, boundMac = '' }: Asking): Holding | undefined {
  const address = addressOfMac(boundMac)
  const found = address && locate(segment, boundMac)
  if (address === undefined || found === undefined || found.port.index === own.index) return undefined
  return found.own || endsInContainer(found.port) ? { address, holder: withMac(found.port, boundMac) } : undefined
}

function byLease(
  segment: Segment,
  { own, network, dataDir }: Asking,
  addresses: readonly IpAddress[],
): Holding | undefined {
  if (dataDir === undefined) return undefined
  const leases = otherLeases(dataDir, network, addresses)
  // Where most networks have theirs, also one of this name, before somebody gave it another directory.
  if (dataDir !== DEFAULT_DATA_DIR) leases.push(...otherLeases(DEFAULT_DATA_DIR, '', addresses))
  const lease = leases.find((one) => isHere(segment, own, one))
  return lease && { address: lease.address, holder: describe(lease) }
}

function byRecord(
  segment: Segment,
  { network, stateDir }: Asking,
  addresses: readonly IpAddress[],
): Holding | undefined {
  const texts = addresses.map((address) => `${formatAddress(address)}/`)
  let at = -1
  const port = portOfOther(segment, stateDir, network, (attached) => {
    at = texts.findIndex((text) => attached.addresses.some((one) => one.startsWith(text)))
    return at >= 0
  })
  const address = addresses[at]
  return port && address && { address, holder: nameOf(port) }
}

function withMac(port: Link, mac: string | undefined): string {
  return `${nameOf(port)} with MAC ${mac}`
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
