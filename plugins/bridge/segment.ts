/** The part of a bridge that a container's frames reach, and who is there already. */

import { keyInAlias } from '../../lib/attachment/link-identity.js'
import type { IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { removeNeighbour, resolveNeighbour } from '../../lib/netlink/neighbours.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { monotonic, sleep } from '../../lib/sys/clock.js'
import { isErrno } from '../../lib/sys/errno.js'
import { type Settings, TRUNK_VLAN } from './config.js'

export interface Segment {
  readonly host: Netlink
  readonly bridge: Link
  /** What the host itself reaches the segment by: the bridge, or its link in the VLAN; undefined where it does not. */
  readonly door: Link | undefined
  /** Of untagged frames; undefined where the bridge does not look at VLANs. */
  readonly vlan: number | undefined
}

export function segmentOf(host: Netlink, bridge: Link, { port, filtering }: Settings): Segment {
  const data = bridge.data?.kind === 'bridge' ? bridge.data : undefined
  if (!filtering && data?.vlanFiltering !== true) return { host, bridge, door: bridge, vlan: undefined }
  const bridgeVlan = data?.vlanDefaultPvid ?? 1
  const vlan = port.vlan || (port.trunk.length > 0 ? TRUNK_VLAN : bridgeVlan)
  const vlanLink = port.vlan === 0 ? undefined : host.links.find(`${bridge.name}.${vlan}`)
  return { host, bridge, door: vlanLink ?? (vlan === bridgeVlan ? bridge : undefined), vlan }
}

/** What the bridge knows of a MAC. */
export interface Whereabouts {
  readonly port: Link
  /** The MAC is the port's own, or the bridge's. */
  readonly own: boolean
}

/** The port that a MAC is behind, or is the MAC of. Undefined where the bridge does not know it, or not any more. */
export function locate({ host, bridge, vlan }: Segment, mac: string): Whereabouts | undefined {
  try {
    const entry = host.fdb.find(bridge.index, { mac, vlan, self: true })
    if (entry === undefined) return undefined
    const { linkIndex, state } = entry
    const port = linkIndex === bridge.index ? bridge : host.links.find(linkIndex)
    return port === undefined ? undefined : { port, own: state === 'permanent' }
  } catch (error) {
    // Linux before 5.0 looks up nothing in a bridge's table.
    if (isErrno(error, 'EOPNOTSUPP', 'EINVAL')) return undefined
    throw error
  }
}

/**
 * Whether a port leads to one container or virtual machine and no farther, so that what is behind it lives as long as the
 * port does. What was learnt from an uplink may have moved to this node meanwhile.
 */
export function endsInContainer({ kind, peerNamespaceId }: Link): boolean {
  return kind === 'tun' || (kind === 'veth' && peerNamespaceId !== undefined)
}

/** Whether a link is a port of the segment. */
export function isPortOf({ host, bridge, vlan }: Segment, { index, master }: Link): boolean {
  if (master !== bridge.index) return false
  return vlan === undefined || host.links.vlans(index).some(({ vid }) => vid === vlan)
}

/** Milliseconds. A container on this node answers within one. */
const PATIENCE = 100

/** Asks the segment whose an address is (ARP, or neighbour discovery); true where somebody answers. */
export function answers({ host, door }: Segment, address: IpAddress): boolean {
  if (door === undefined) return false
  const refused = host.batch([removeNeighbour(door.index, address), resolveNeighbour(door.index, address)])
  if (refused.some(({ index }) => index === 1)) return false // the host has no such family here
  const deadline = monotonic() + PATIENCE
  for (;;) {
    const mac = host.neighbours.find(door.index, [address])[0]?.mac
    if (mac !== undefined) return true
    if (monotonic() >= deadline) break
    sleep(1)
  }
  host.batch([removeNeighbour(door.index, address)])
  return false
}

/** A port in words: its name, and the attachment where it is one of ours. */
export function nameOf({ name, alias = '' }: Link): string {
  return keyInAlias(alias) === undefined ? name : `${name} (${alias.slice(17)})`
}
