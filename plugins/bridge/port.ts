/** The veth pair, born complete: the host's end in the bridge, the container's under its final name. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { PairIdentity } from '../../lib/interface/pair.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { BridgePort } from '../../lib/netlink/links/port.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isErrno } from '../../lib/sys/errno.js'
import { type PortSettings, type Settings, TRUNK_VLAN } from './config.js'
import { noFiltering } from './ensure-bridge.js'
import type { BridgeWork, Joined } from './model.js'

/** Creates the pair and brings the host's end up. Throws NetlinkError EEXIST where either name is taken. */
export function createPort(host: Netlink, identity: PairIdentity, bridge: Link, settings: Settings): Link {
  const { mtu, port } = settings
  const inVlans = port.vlan !== 0 || port.trunk.length > 0
  let link: Link
  try {
    link = host.links.create({
      kind: 'veth',
      ...identity,
      mtu,
      master: bridge.index,
      addressGenerationMode: 'none', // a port has no use for an address, and its search for duplicates would be seen
      bridgePort: bornAs(bridge, settings),
      up: !inVlans,
    })
  } catch (error) {
    throw isErrno(error, 'EXFULL') ? full(settings.bridge) : error
  }
  if (inVlans) {
    setVlans(host, link.index, port)
    host.links.change(link.index, { up: true })
  }
  return link
}

export function setVlans(
  host: Netlink,
  index: number,
  { vlan, trunk, preserveDefaultVlan }: Pick<PortSettings, 'vlan' | 'trunk' | 'preserveDefaultVlan'>,
): void {
  try {
    if (!preserveDefaultVlan) {
      for (const { vid } of host.links.vlans(index)) host.links.removeVlan(index, { vid })
    }
    host.links.addVlan(index, { vid: vlan === 0 ? TRUNK_VLAN : vlan, pvid: true, untagged: true })
    for (const [first, last] of trunk) {
      // One that is in the trunk as well stays what the line above made it, but tagged: the later word counts.
      host.links.addVlan(index, last > first ? { vid: first, through: last } : { vid: first })
    }
  } catch (error) {
    throw isErrno(error, 'EOPNOTSUPP') ? noFiltering() : error
  }
}

/** IPAM plugins that send nothing by the container's link. */
const QUIET = ['host-local', 'static']

/**
 * Whether the bridge takes nothing of the container's until `openPort`. As soon as its link is up, the kernel reports the
 * groups of its IPv6 addresses (MLD, RFC 3810), and holds the lock that every change of a link needs until each port of
 * the bridge has got that: with a thousand of them, the rest of ADD would wait. It says so again soon. A bridge that
 * snoops must hear the first one: where there is a querier, it is what lets neighbour solicitations through.
 */
function isLockedAtFirst({ data }: Link, { ipam, detectDuplicates }: Settings): boolean {
  const snoops = data?.kind !== 'bridge' || data.multicastSnooping !== false
  return !snoops && !detectDuplicates && ipam !== undefined && QUIET.includes(ipam)
}

/** Undefined where the kernel's default will do. */
function bornAs(bridge: Link, settings: Settings): BridgePort | undefined {
  const { hairpin, isolated } = settings.port
  const locked = isLockedAtFirst(bridge, settings)
  return hairpin || isolated || locked ? { hairpin, isolated, ...(locked ? { locked } : {}) } : undefined
}

/** From here on the container is heard. */
export function openPort({ host, settings }: BridgeWork, { bridge, hostEnd }: Joined): void {
  if (isLockedAtFirst(bridge, settings)) host.links.setPort(hostEnd.index, { locked: false })
}

function full(bridge: string): CniError {
  return new CniError(
    ErrorCode.KernelRefused,
    `failed to connect the container to bridge "${bridge}": exchange full`,
    `bridge ${bridge} is at the kernel limit of 1023 ports`,
  )
}
