/** CHECK of the bridge, the container's port and the gateway. */

import type { Interface, Result } from '../../lib/cni/result.js'
import type { Differs, Look } from '../../lib/interface/model.js'
import type { Address } from '../../lib/interface/routes.js'
import { hostPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { checkGateway } from './check-gateway.js'
import { type BridgeConfig, type Settings, TRUNK_VLAN } from './config.js'
import { droppedDoubts, isAdmitted, needsForwarding } from './dropped.js'

const IFF_PROMISC = 0x100

export function check(
  look: Look<BridgeConfig, Settings>,
  link: Link | undefined,
  addresses: readonly Address[],
  previous: Result,
): void {
  const { request, settings, host, differs } = look
  const bridge = checkBridge(host, settings, previous, differs)
  if (link === undefined) return
  checkPort(host, link, bridge, settings, previous, differs)
  if (settings.ipam === undefined) return
  if (settings.isGateway && bridge !== undefined) checkGateway(host, bridge, link.mtu, addresses, settings, differs)
  if (!needsForwarding(settings) || isAdmitted(request)) return
  const own = addresses.map(({ prefix }) => hostPrefix(prefix.address))
  for (const doubt of droppedDoubts(host, settings, own)) differs(doubt)
}

function checkBridge(host: Netlink, settings: Settings, prevResult: Result, differs: Differs): Link | undefined {
  const name = settings.bridge
  const bridge = host.links.find(name)
  if (bridge === undefined || bridge.kind !== 'bridge') {
    differs(
      bridge === undefined ? `bridge ${name} is gone` : `${name} is a ${bridge.kind ?? 'hardware link'}, not a bridge`,
    )
    return undefined
  }
  const mac = hostEntry(prevResult, name)?.mac
  if (mac !== undefined && mac !== bridge.mac) differs(`bridge ${name} has MAC ${bridge.mac}, not ${mac}`)
  if (!bridge.up) differs(`bridge ${name} is down`)
  if (settings.promiscuous && (bridge.flags & IFF_PROMISC) === 0) differs(`bridge ${name} is not promiscuous`)
  if (settings.filtering && !(bridge.data?.kind === 'bridge' && bridge.data.vlanFiltering === true)) {
    differs(`bridge ${name} does not filter VLANs`)
  }
  return bridge
}

/** The host's end: the container's tells its index. */
function checkPort(
  host: Netlink,
  link: Link,
  bridge: Link | undefined,
  { port }: Settings,
  prevResult: Result,
  differs: Differs,
): void {
  const end = link.peerIndex === undefined ? undefined : host.links.find(link.peerIndex)
  if (end === undefined || end.kind !== 'veth') {
    differs(`the host's end of ${link.name} is gone`)
    return
  }
  const { name } = end
  const mac = hostEntry(prevResult, name)?.mac
  if (mac !== undefined && mac !== end.mac) differs(`${name} has MAC ${end.mac}, not ${mac}`)
  if (!end.up) differs(`${name} is down`)
  if (bridge === undefined) return
  if (end.master !== bridge.index) {
    differs(`${name} is not a port of ${bridge.name}`)
    return
  }
  // That either is on unasked is another plugin's doing: portmap and firewall need them.
  if (port.hairpin && end.port?.hairpin !== true) differs(`hairpin of ${name} is off`)
  if (port.isolated && end.port?.isolated !== true) differs(`isolation of ${name} is off`)
  if (port.vlan !== 0 || port.trunk.length > 0) checkVlans(host, end, port, differs)
}

function checkVlans(
  host: Netlink,
  end: Link,
  { vlan, trunk, preserveDefaultVlan }: Settings['port'],
  differs: Differs,
): void {
  const present = new Map(host.links.vlans(end.index).map((entry) => [entry.vid, entry]))
  const wanted = new Set([vlan === 0 ? TRUNK_VLAN : vlan])
  for (const [first, last] of trunk) for (let vid = first; vid <= last; vid++) wanted.add(vid)
  for (const vid of wanted) if (!present.has(vid)) differs(`${end.name} lacks VLAN ${vid}`)
  for (const vid of present.keys()) {
    if (!wanted.has(vid) && !preserveDefaultVlan) differs(`${end.name} is in VLAN ${vid} too`)
  }
}

function hostEntry({ interfaces = [] }: Result, wanted: string): Interface | undefined {
  return interfaces.find(({ name, sandbox }) => name === wanted && (sandbox ?? '') === '')
}
