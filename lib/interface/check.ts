/**
 * CHECK: the attachment is as ADD, and the plugins after it, left it. Every difference is listed; what
 * other plugins made is theirs to check.
 */

import type { NetworkConfig } from '../cni/config.js'
import { type Delegate, findDelegate } from '../cni/delegate.js'
import { CniError, ErrorCode } from '../cni/error.js'
import type { CheckRequest } from '../cni/request.js'
import type { Interface } from '../cni/result.js'
import { atLeast } from '../cni/version.js'
import type { Link } from '../netlink/links/link.js'
import { type Netlink, openNetlink } from '../netlink/netlink.js'
import { inContainer, isSameNamespace, openContainer, openHost } from '../netns/namespace.js'
import { attachmentKey, claim } from '../store/record.js'
import { checkAddresses, checkRoutes } from './check-addressing.js'
import { detach } from './detach.js'
import type { Differs, Look, Made } from './model.js'
import type { InterfacePlugin } from './plugin.js'
import { type Attached, placeOf } from './record.js'
import { addressesOf } from './routes.js'
import { checkRules, removeRules } from './rules.js'
import type { InterfaceSettings } from './settings.js'

export function check<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  request: CheckRequest<C>,
): void {
  const { ifName, netns, prevResult } = request
  const settings = plugin.settings(request)
  const ipam = settings.ipam === undefined ? undefined : findDelegate(settings.ipam, request)
  const file = openContainer(netns)
  ipam?.run('CHECK')
  const differences: string[] = []
  const differs: Differs = (difference) => differences.push(difference)
  const host = openHost()
  const container = inContainer(file, openNetlink)
  const look: Look<C, S> = { request, settings, host, container, differs }
  const recorded = (prevResult.interfaces ?? []).find(
    ({ name, sandbox = '' }) => name === ifName && isSameNamespace(sandbox, netns),
  )
  if (recorded === undefined) differs(`prevResult has no interface ${ifName} in ${netns}`)
  const ips = (prevResult.ips ?? []).filter(
    ({ interface: at }) => at !== undefined && prevResult.interfaces?.[at] === recorded,
  )
  const link = checkLink(plugin.kind, look, recorded)
  const addresses = addressesOf({ ips })
  if (link !== undefined && settings.ipam !== undefined) {
    checkAddresses(container, link, addresses, differs)
    checkRoutes(container, prevResult.routes ?? [], atLeast(request.cniVersion, '1.1.0'), differs)
  }
  plugin.check?.(look, link, addresses, prevResult)
  for (const doubt of plugin.doubts?.(settings) ?? []) differs(doubt)
  checkRecordedRules(plugin, look)
  if (differences.length === 0) return
  undoUnfinished(plugin, request, host, ipam)
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `${ifName} is not as ADD left it: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    differences.join('; '),
  )
}

function checkLink<C extends NetworkConfig, S extends InterfaceSettings>(
  kind: string,
  { container, request: { ifName }, settings, differs }: Look<C, S>,
  recorded: Interface | undefined,
): Link | undefined {
  const link = container.links.find(ifName)
  if (link === undefined || link.kind !== kind) {
    differs(link === undefined ? `${ifName} is gone` : `${ifName} is a ${link.kind ?? 'hardware link'}, not a ${kind}`)
    return undefined
  }
  if (recorded?.mac !== undefined && recorded.mac !== link.mac)
    differs(`${ifName} has MAC ${link.mac}, not ${recorded.mac}`)
  if (!hasMtu(link, recorded?.mtu, settings.mtu))
    differs(`${ifName} has MTU ${link.mtu}, not ${recorded?.mtu ?? settings.mtu}`)
  if (settings.containerUp !== false && !link.up) differs(`${ifName} is down`)
  return link
}

/**
 * What a later plugin recorded counts more than our own configuration. Results before 1.1.0 have no MTU, so that of a plugin
 * which lowered it there, as host-gw and vxlan do, nothing is known.
 */
function hasMtu({ mtu }: Link, recorded: number | undefined, configured: number | undefined): boolean {
  if (recorded !== undefined) return mtu === recorded
  return configured === undefined || mtu <= configured
}

/** By the record: it says what was asked for when the container was attached. */
function checkRecordedRules<C extends NetworkConfig, S extends InterfaceSettings>(
  { name }: { readonly name: string },
  { request, settings, differs }: Look<C, S>,
): void {
  // At layer 2 there is no address to masquerade.
  const masks = settings.masquerade !== undefined && settings.ipam !== undefined
  if (!masks && settings.checksMac !== true) return
  const record = claim<Attached>(placeOf(name, request))
  const attached = record?.earlier?.content
  record?.release()
  if (attached?.rules === undefined) differs('nothing is recorded of ipMasq and macspoofchk')
  else for (const difference of checkRules(request, attached)) differs(difference)
}

/** An ADD that was killed midway is undone by the next call of any kind. */
function undoUnfinished(
  plugin: Parameters<typeof detach>[0] & { readonly name: string },
  request: CheckRequest<NetworkConfig>,
  host: Netlink,
  ipam: Delegate | undefined,
): void {
  const { network, containerId, ifName } = request
  const record = claim<Attached>(placeOf(plugin.name, request))
  if (record?.earlier === undefined || record.earlier.state === 'ready') {
    record?.release()
    return
  }
  detach(plugin, host, { key: attachmentKey(network, containerId, ifName), ifName }, record.earlier.content)
  removeRules({ network, containerId, ifName }, record.earlier.content)
  ipam?.run('DEL')
  record.remove()
}
