/** ADD where the host is the container's gateway. */

import { subnetOf } from '../../lib/interface/leased-from.js'
import type { Address } from '../../lib/interface/routes.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { warn } from '../../lib/sys/log.js'
import { gatewayDoubts } from './doubts.js'
import { droppedDoubts, lacksFirewall } from './dropped.js'
import { ensureGateway, ensureVlanGateway } from './gateway.js'
import type { BridgeWork, Joined } from './model.js'
import { sharedSubnets } from './node-subnets.js'

/** Returns the link that has the gateway's addresses; undefined where the host is none. */
export function beGateway(
  work: BridgeWork,
  { bridge, hostEnd }: Joined,
  addresses: readonly Address[],
): Link | undefined {
  const { host, settings } = work
  if (!settings.isGateway) return undefined
  const gateway = settings.port.vlan === 0 ? bridge : ensureVlanGateway(host, bridge, settings.port.vlan)
  if (ensureGateway(host, gateway, bridge, hostEnd.index, addresses, settings)) {
    warnOfDoubts(work, hostEnd.mtu, addresses)
  }
  return gateway
}

function warnOfDoubts({ request, host, settings }: BridgeWork, mtu: number, addresses: readonly Address[]): void {
  const subnets = addresses.map(({ prefix }) => subnetOf(prefix))
  const shared = sharedSubnets(host, settings.bridge, subnets)
  for (const doubt of gatewayDoubts(host, settings, mtu, subnets, shared)) warn(doubt)
  if (lacksFirewall(request, 1)) for (const doubt of droppedDoubts(host, settings, subnets)) warn(doubt)
}
