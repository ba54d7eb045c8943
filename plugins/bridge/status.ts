/** STATUS of the bridge: fails only where no pod of this node could work; the rest is said on stderr. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { leasedFrom } from '../../lib/interface/leased-from.js'
import type { Prefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { warn } from '../../lib/sys/log.js'
import { requireForwardable } from '../../lib/sysctl/forwarding.js'
import type { BridgeConfig, Settings } from './config.js'
import { gatewayDoubts } from './doubts.js'
import { droppedDoubts, lacksFirewall, needsForwarding } from './dropped.js'
import { requireIpv6 } from './gateway-ipv6.js'
import { nodeOwnsSubnet, sharedSubnets } from './node-subnets.js'

/** BR_MAX_PORTS less the number 0, net/bridge/br_private.h. */
const PORTS = 1023

export function status(request: StatusRequest<BridgeConfig>, settings: Settings, host: Netlink): void {
  const { bridge: name, ipam } = settings
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
  const subnets = ipam === undefined ? [] : leasedFrom(request.config.ipam)
  if (settings.isGateway && ipam !== undefined) requireGateway(host, settings, bridge, subnets)
  if (needsForwarding(settings) && lacksFirewall(request, 0)) {
    for (const doubt of droppedDoubts(host, settings, subnets)) warn(doubt)
  }
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
