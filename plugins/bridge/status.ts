/** STATUS: fails only where no pod of this node could work; the rest is said on stderr. */

import { requireStateDir } from '../../lib/attachment/state-dir.js'
import { findDelegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { leasedFrom } from '../../lib/interface/leased-from.js'
import { formatPrefix, type Prefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import { requireRanges } from '../../lib/nodes/cni/ranges.js'
import { warn } from '../../lib/sys/log.js'
import { requireForwardable } from '../../lib/sysctl/forwarding.js'
import { hasIpv6, lackingIpv6 } from '../../lib/sysctl/ipv6.js'
import { type BridgeConfig, type Settings, settingsOf, stateDirOf } from './config.js'
import { gatewayDoubts, keysWithoutEffect } from './doubts.js'
import { admitsPods, droppedDoubts, needsForwarding } from './dropped.js'
import { requireIpv6 } from './gateway-ipv6.js'
import { nodeOwnsSubnet, sharedSubnets } from './node-subnets.js'
import { requireRules } from './ruleset.js'

/** BR_MAX_PORTS less the number 0, net/bridge/br_private.h. */
const PORTS = 1023

export function status(request: StatusRequest<BridgeConfig>): void {
  const settings = settingsOf(request)
  const { bridge: name, ipam } = settings
  const host = openHost()
  const bridge = host.links.find(name)
  if (bridge !== undefined && bridge.kind !== 'bridge') {
    throw notAvailable(
      `"${name}" already exists but is not a bridge`,
      `it is of kind ${bridge.kind ?? 'hardware'}; set "bridge" to another name`,
    )
  }
  if (bridge !== undefined && host.links.list({ master: bridge.index }).length >= PORTS) {
    throw notAvailable(`bridge "${name}" is full`, `it has ${PORTS} of ${PORTS} ports, the limit of the kernel`)
  }
  for (const doubt of keysWithoutEffect(settings)) warn(doubt)
  const subnets = ipam === undefined ? [] : leasedFrom(request.config.ipam)
  requireIpv6InKernel(subnets)
  if (settings.isGateway && ipam !== undefined) requireGateway(host, settings, bridge, subnets)
  requireStateDir(stateDirOf(request.config))
  requireRules(settings)
  if (needsForwarding(settings) && !admitsPods(request)) {
    for (const doubt of droppedDoubts(host, settings, subnets)) warn(doubt)
  }
  requireRanges(host, stateDirOf(request.config), request.network, request.config.ipam)
  if (ipam !== undefined) findDelegate(ipam, request).run('STATUS')
}

/** Not every IPAM plugin looks at it. */
function requireIpv6InKernel(subnets: readonly Prefix[]): void {
  const six = subnets.find(({ address }) => address.family === 6)
  if (six !== undefined && !hasIpv6()) throw lackingIpv6(`containers cannot have addresses of ${formatPrefix(six)}`)
}

/** What no pod could do without, and on stderr what some of their traffic could not. */
function requireGateway(host: Netlink, settings: Settings, bridge: Link | undefined, subnets: readonly Prefix[]): void {
  requireForwardable(host)
  const shared = sharedSubnets(host, settings.bridge, subnets)
  const [whole] = shared.whole
  if (whole !== undefined) throw nodeOwnsSubnet(ErrorCode.NotAvailable, settings.bridge, whole)
  const ipv6 = subnets.filter(({ address }) => address.family === 6)
  if (ipv6.length > 0) requireIpv6(host, bridge, settings.bridge, ipv6.length === subnets.length)
  for (const doubt of gatewayDoubts(host, settings, settings.mtu, subnets, shared)) warn(doubt)
}

function notAvailable(message: string, details: string): CniError {
  return new CniError(ErrorCode.NotAvailable, message, details)
}
