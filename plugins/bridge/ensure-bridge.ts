/**
 * The bridge: made with everything it needs in one request, or taken as it is. Any number of first ADDs
 * may run at once; who comes second finds what the first made, and finishes it where it is half made.
 */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { randomMac } from '../../lib/interface/mac.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Rollback } from '../../lib/store/rollback.js'
import { isErrno } from '../../lib/sys/errno.js'
import { preferSysctl } from '../../lib/sysctl/sysctl.js'
import type { Settings } from './config.js'

/** Begins the alias of a bridge that we made. */
const OURS = 'flatnet:'
/** The alias of a bridge that had none and whose MAC we have fixed. */
const ADOPTED = 'used by flatnet, MAC fixed'

const IFF_PROMISC = 0x100

export function ensureBridge(host: Netlink, settings: Settings, network: string, steps: Rollback): Link {
  const link = host.links.find(settings.bridge) ?? create(host, settings, steps)
  if (link.kind !== 'bridge') throw otherKind(link)
  const found = { ...link, alias: ensureMarked(host, link, network) }
  if (settings.promiscuous && (found.flags & IFF_PROMISC) === 0) host.links.change(found.index, { promiscuous: true })
  if (settings.filtering) ensureFiltering(host, found)
  return found
}

export function otherKind({ name, kind = 'hardware' }: Link): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `"${name}" already exists but is not a bridge`,
    `it is of kind ${kind} and was left as it is; set "bridge" to another name`,
  )
}

/** Whether we made it: then its addresses are ours to change. */
export function isOurs(bridge: Link): boolean {
  return bridge.alias?.startsWith(OURS) === true
}

/** Whether its MAC stays what it is as ports come and go. */
export function isFixed({ alias }: Link): boolean {
  return alias !== undefined && (alias.startsWith(OURS) || alias === ADOPTED)
}

/**
 * A MAC given at creation is one that stays as ports come and go. Random, because what it could be
 * derived from (the name, the gateway) may be the same on the node next door.
 */
function create(host: Netlink, { bridge: name, mtu, filtering }: Settings, steps: Rollback): Link {
  const mac = randomMac()
  steps.push(`bridge ${name}`, () => removeIfUnused(host, name, mac))
  try {
    const vlan = filtering ? { vlanFiltering: true } : {}
    // Where nobody asks who listens (multicast_querier), snooping changes nothing of where frames go; but a port that
    // comes up sets two timers for each port there is.
    return host.links.create({ kind: 'bridge', name, mac, mtu, multicastSnooping: false, ...vlan })
  } catch (error) {
    if (filtering && isErrno(error, 'EOPNOTSUPP')) throw noFiltering()
    if (!isErrno(error, 'EEXIST')) throw error
  }
  return host.links.get(name) // someone was quicker
}

/** Only the one this call made, told by its MAC; others may have joined it meanwhile. */
function removeIfUnused(host: Netlink, name: string, mac: string): void {
  const bridge = host.links.find(name)
  if (bridge?.kind !== 'bridge' || bridge.mac !== mac) return
  if (host.links.list({ master: bridge.index }).length > 0) return
  try {
    host.links.delete(bridge.index)
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error
  }
}

/** Up, and with an alias that says whether it is ours; the alias. */
function ensureMarked(host: Netlink, bridge: Link, network: string): string {
  const { alias = '' } = bridge
  if (!bridge.up) return bringUp(host, bridge, network)
  return alias === '' ? adopt(host, bridge) : alias
}

/**
 * Duplicate address detection is off before it comes up: while a bridge's own link-local address is
 * tentative, the kernel solicits no neighbours for the packets it forwards.
 */
function bringUp(host: Netlink, { index, name, alias: present = '' }: Link, network: string): string {
  preferSysctl(`net/ipv6/conf/${name}/accept_dad`, '0')
  preferSysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
  const alias = present === '' ? `${OURS}${network}` : present
  host.links.change(index, { up: true, ...(present === '' ? { alias } : {}) })
  return alias
}

/**
 * A bridge of somebody else's, the first time: one that was made without a MAC takes the lowest of its
 * ports, and changes it when that port leaves. Setting the MAC it has keeps it. The alias says it is done.
 */
function adopt(host: Netlink, { index, mac }: Link): string {
  host.links.change(index, { mac, alias: ADOPTED })
  return ADOPTED
}

function ensureFiltering(host: Netlink, bridge: Link): void {
  if (bridge.data?.kind === 'bridge' && bridge.data.vlanFiltering === true) return
  if (!isOurs(bridge)) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `bridge "${bridge.name}" does not filter VLANs, so "vlan" and "vlanTrunk" would separate nothing`,
      `it is not ours, so it was left as it is: ip link set ${bridge.name} type bridge vlan_filtering 1`,
    )
  }
  try {
    // Ports that are there are in the default VLAN already, and go on talking to each other.
    host.links.change(bridge.index, { data: { kind: 'bridge', vlanFiltering: true } })
  } catch (error) {
    throw isErrno(error, 'EOPNOTSUPP') ? noFiltering() : error
  }
}

export function noFiltering(): CniError {
  return new CniError(
    ErrorCode.KernelRefused,
    'operation not supported: the running kernel cannot filter VLANs on a bridge',
    '"vlan" and "vlanTrunk" need a kernel with CONFIG_BRIDGE_VLAN_FILTERING',
  )
}
