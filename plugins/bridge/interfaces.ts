/** The host's interfaces in the result. */

import type { Around } from '../../lib/interface/plugin.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isFixed } from './ensure-bridge.js'
import type { BridgeWork, Joined } from './model.js'

/** Bridge and port, then the container's; behind it the gateway, where that is a link of its own. */
export function interfaces({ host }: BridgeWork, { bridge, hostEnd }: Joined, gateway: Link | undefined): Around {
  const own = gateway !== undefined && gateway.index !== bridge.index
  return { before: [keepMac(host, bridge, hostEnd), hostEnd], after: own ? [gateway] : [] }
}

/**
 * The bridge as it is now. One that was made without a MAC may have taken our port's: it gets its own back, for good.
 * Where MAC and MTU cannot have changed, it need not be asked.
 */
function keepMac(host: Netlink, bridge: Link, port: Link): Link {
  if (isFixed(bridge) && bridge.mtu === port.mtu) return bridge
  const now = host.links.get(bridge.index)
  if (now.mac !== port.mac) return now
  host.links.change(bridge.index, { mac: bridge.mac })
  return { ...now, mac: bridge.mac }
}
