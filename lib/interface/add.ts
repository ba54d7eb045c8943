/** ADD, a transaction: the record is written before the first change, and every step says how it is undone. */

import { hostLinkName } from '../attachment/link-identity.js'
import { transaction } from '../attachment/transaction.js'
import type { NetworkConfig } from '../cni/config.js'
import { type Delegate, findDelegate } from '../cni/delegate.js'
import type { AddRequest } from '../cni/request.js'
import type { Result } from '../cni/result.js'
import type { Netlink } from '../netlink/netlink.js'
import { openContainer, openHost } from '../netns/namespace.js'
import { attachmentKey, type Earlier } from '../store/record.js'
import { alreadyExists } from './already-exists.js'
import { attach } from './attach.js'
import { detach } from './detach.js'
import type { Made } from './model.js'
import { findOwnLink } from './own-link.js'
import type { InterfacePlugin } from './plugin.js'
import { type Attached, placeOf } from './record.js'
import { removeRules } from './rules.js'
import type { InterfaceSettings } from './settings.js'

export function add<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  request: AddRequest<C>,
): Result {
  const { network, containerId, ifName, netns } = request
  const settings = plugin.settings(request)
  const ipam = settings.ipam === undefined ? undefined : findDelegate(settings.ipam, request)
  const file = openContainer(netns)
  const host = openHost()
  const key = attachmentKey(network, containerId, ifName)
  const planned: Attached = {
    ...(plugin.kind === 'veth' ? { hostLink: hostLinkName(key) } : { hostLink: '', netns }),
    gatewayLink: '',
    addresses: [],
    // Of two that ask for one MAC at once, at least one finds the other's record.
    ...(settings.mac === undefined ? {} : { mac: settings.mac }),
    ipam: settings.ipam ?? '',
  }
  return transaction<Attached, Result>(placeOf(plugin.name, request), {
    planned,
    settle: (earlier) => settleEarlier(plugin, earlier, host, key, request, ipam),
    work: (claim, steps) => attach(plugin, { request, settings, ipam, file, host, key, claim, planned, steps }),
  })
}

/**
 * What an earlier call left: an attachment that lives is refused untouched, one that is dead or was never
 * finished is undone.
 */
function settleEarlier<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  { state, sameBoot, content }: Earlier<Attached>,
  host: Netlink,
  key: string,
  { network, containerId, ifName }: AddRequest<C>,
  ipam: Delegate | undefined,
): void {
  const found = sameBoot ? findOwnLink(plugin.kind, host, { key, ifName }, content) : undefined
  if (state === 'ready' && found !== undefined) {
    throw alreadyExists(
      plugin.kind,
      ifName,
      `${containerId} is attached already, by ${found.link.name}: DEL must come before another ADD`,
    )
  }
  detach(plugin, host, { key, ifName }, content)
  if (sameBoot) removeRules({ network, containerId, ifName }, content)
  if (state !== 'ready') ipam?.run('DEL')
}
