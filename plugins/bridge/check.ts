/**
 * CHECK: the attachment is as ADD, and the plugins after it, left it. Every difference is listed; what
 * other plugins made is theirs to check.
 */

import { findDelegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { CheckRequest } from '../../lib/cni/request.js'
import type { Interface, Result } from '../../lib/cni/result.js'
import { atLeast } from '../../lib/cni/version.js'
import { checkAddresses, checkRoutes } from '../../lib/interface/check-addressing.js'
import type { Differs } from '../../lib/interface/model.js'
import { addressesOf } from '../../lib/interface/routes.js'
import { hostPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import { inContainer, isSameNamespace, openContainer, openHost } from '../../lib/netns/namespace.js'
import { attachmentKey, claim } from '../../lib/store/record.js'
import { type Attached, placeOf } from './attached.js'
import { checkGateway } from './check-gateway.js'
import { type BridgeConfig, type Settings, settingsOf } from './config.js'
import { detach } from './detach.js'
import { keysWithoutEffect } from './doubts.js'
import { droppedDoubts, isAdmitted, needsForwarding } from './dropped.js'
import { checkRules } from './ruleset.js'

const IFF_PROMISC = 0x100

export function check(request: CheckRequest<BridgeConfig>): void {
  const { cniVersion, ifName, netns, prevResult } = request
  const settings = settingsOf(request)
  const ipam = settings.ipam === undefined ? undefined : findDelegate(settings.ipam, request)
  const file = openContainer(netns)
  ipam?.run('CHECK')
  const differences: string[] = []
  const differs: Differs = (difference) => differences.push(difference)
  const host = openHost()
  const container = inContainer(file, openNetlink)
  const recorded = (prevResult.interfaces ?? []).find(
    ({ name, sandbox = '' }) => name === ifName && isSameNamespace(sandbox, netns),
  )
  if (recorded === undefined) differs(`prevResult has no interface ${ifName} in ${netns}`)

  const bridge = checkBridge(host, settings, prevResult, differs)
  const link = checkLink(container, request, settings, recorded, differs)
  if (link !== undefined) {
    checkPort(host, link, bridge, settings, prevResult, differs)
    if (settings.ipam !== undefined) {
      const ips = (prevResult.ips ?? []).filter(
        ({ interface: at }) => at !== undefined && prevResult.interfaces?.[at] === recorded,
      )
      const addresses = addressesOf({ ips })
      checkAddresses(container, link, addresses, differs)
      checkRoutes(container, prevResult.routes ?? [], atLeast(cniVersion, '1.1.0'), differs)
      if (settings.isGateway && bridge !== undefined) {
        checkGateway(host, bridge, link.mtu, addresses, settings, differs)
      }
      if (needsForwarding(settings) && !isAdmitted(request)) {
        const own = addresses.map(({ prefix }) => hostPrefix(prefix.address))
        for (const doubt of droppedDoubts(host, settings, own)) differs(doubt)
      }
    }
  }
  for (const doubt of keysWithoutEffect(settings)) differs(doubt)
  checkRecordedRules(request, settings, differs)
  if (differences.length === 0) return
  undoUnfinished(request, host, ipam)
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `${ifName} is not as ADD left it: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    differences.join('; '),
  )
}

/** By the record: it says what was asked for when the container was attached. */
function checkRecordedRules(request: CheckRequest<BridgeConfig>, settings: Settings, differs: Differs): void {
  // At layer 2 there is no address to masquerade.
  const masks = settings.masquerade !== undefined && settings.ipam !== undefined
  if (!masks && !settings.checksMac) return
  const record = claim<Attached>(placeOf(request, request))
  const attached = record?.earlier?.content
  record?.release()
  if (attached?.rules === undefined) differs('nothing is recorded of ipMasq and macspoofchk')
  else for (const difference of checkRules(request, attached)) differs(difference)
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

function checkLink(
  container: Netlink,
  { ifName }: CheckRequest<BridgeConfig>,
  settings: Settings,
  recorded: Interface | undefined,
  differs: Differs,
): Link | undefined {
  const link = container.links.find(ifName)
  if (link === undefined || link.kind !== 'veth') {
    differs(link === undefined ? `${ifName} is gone` : `${ifName} is a ${link.kind ?? 'hardware link'}, not a veth`)
    return undefined
  }
  if (recorded?.mac !== undefined && recorded.mac !== link.mac)
    differs(`${ifName} has MAC ${link.mac}, not ${recorded.mac}`)
  // What a later plugin recorded counts more than what we were told.
  const mtu = recorded?.mtu ?? settings.mtu
  if (mtu !== undefined && mtu !== link.mtu) differs(`${ifName} has MTU ${link.mtu}, not ${mtu}`)
  if (settings.containerUp && !link.up) differs(`${ifName} is down`)
  return link
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
  const wanted = new Set([vlan === 0 ? 1 : vlan])
  for (const [first, last] of trunk) for (let vid = first; vid <= last; vid++) wanted.add(vid)
  for (const vid of wanted) if (!present.has(vid)) differs(`${end.name} lacks VLAN ${vid}`)
  for (const vid of present.keys()) {
    if (!wanted.has(vid) && !preserveDefaultVlan) differs(`${end.name} is in VLAN ${vid} too`)
  }
}

function hostEntry({ interfaces = [] }: Result, wanted: string): Interface | undefined {
  return interfaces.find(({ name, sandbox }) => name === wanted && (sandbox ?? '') === '')
}

/** An ADD that was killed midway is undone by whoever comes next. */
function undoUnfinished(
  request: CheckRequest<BridgeConfig>,
  host: Netlink,
  ipam: ReturnType<typeof findDelegate> | undefined,
): void {
  const { network, containerId, ifName } = request
  const record = claim<Attached>(placeOf(request, request))
  if (record?.earlier === undefined || record.earlier.state === 'ready') {
    record?.release()
    return
  }
  detach(host, attachmentKey(network, containerId, ifName), record.earlier.content)
  ipam?.run('DEL')
  record.remove()
}
