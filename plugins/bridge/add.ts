/** ADD, a transaction: the record is written before the first change, and every step says how it is undone. */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { transaction } from '../../lib/attachment/transaction.js'
import { type Delegate, findDelegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { findOwnLink } from '../../lib/interface/own-link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openContainer, openHost } from '../../lib/netns/namespace.js'
import { attachmentKey, type Earlier } from '../../lib/store/record.js'
import { attach } from './attach.js'
import { type Attached, placeOf } from './attached.js'
import { type BridgeConfig, settingsOf } from './config.js'
import { alreadyExists } from './connect.js'
import { detach } from './detach.js'
import { removeRules } from './ruleset.js'

export function add(request: AddRequest<BridgeConfig>): Result {
  const { network, containerId, ifName, netns } = request
  const settings = settingsOf(request)
  if (settings.bridge === ifName) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `the bridge and the container's interface are both called "${ifName}"`,
      'runtimes tell the interfaces of a result by their names: set "bridge" to another one',
    )
  }
  const ipam = settings.ipam === undefined ? undefined : findDelegate(settings.ipam, request)
  const file = openContainer(netns)
  const host = openHost()
  const key = attachmentKey(network, containerId, ifName)
  const planned: Attached = {
    hostLink: hostLinkName(key),
    gatewayLink: '',
    addresses: [],
    // Of two that ask for one MAC at once, at least one finds the other's record.
    ...(settings.mac === undefined ? {} : { mac: settings.mac }),
    ipam: settings.ipam ?? '',
  }
  return transaction<Attached, Result>(placeOf(request, request), {
    planned,
    settle: (earlier) => settleEarlier(earlier, host, key, request, ipam),
    work: (claim, steps) => attach({ request, settings, ipam, file, host, key, claim, planned, steps }),
  })
}

/**
 * What an earlier call left: an attachment that lives is refused untouched, one that is dead or was never
 * finished is undone.
 */
function settleEarlier(
  earlier: Earlier<Attached>,
  host: Netlink,
  key: string,
  { network, containerId, ifName }: AddRequest<BridgeConfig>,
  ipam: Delegate | undefined,
): void {
  const link = earlier.sameBoot ? findOwnLink(host, key, earlier.content) : undefined
  if (earlier.state === 'ready' && link !== undefined) {
    throw alreadyExists(ifName, `${containerId} is attached already, by ${link.name}: DEL must come before another ADD`)
  }
  detach(host, key, earlier.content)
  if (earlier.sameBoot) removeRules({ network, containerId, ifName }, earlier.content)
  if (earlier.state !== 'ready') ipam?.run('DEL')
}
