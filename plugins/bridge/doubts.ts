/**
 * What goes wrong for some of a pod's traffic although the pod is attached: a key without effect, a link that takes less
 * than pods send. ADD says it on stderr when it makes the bridge a gateway, STATUS says it always, CHECK fails for it.
 * STATUS never fails for it: a runtime takes a failing STATUS for a node that is not ready, and its pods are moved.
 */

import { linkTowards } from '../../lib/attachment/previous.js'
import { type Family, parseAddress } from '../../lib/ip/address.js'
import { formatPrefix, type Prefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Settings } from './config.js'
import { isWithoutIpv6 } from './gateway-ipv6.js'
import type { Shared, SharedSubnets } from './node-subnets.js'

/** Addresses for documentation (RFC 5737, RFC 3849): where no route names them, they go the default way. */
const ELSEWHERE = { 4: parseAddress('192.0.2.1'), 6: parseAddress('2001:db8::1') }

/** The link that the default way of a family leaves by. */
export function uplinkOf(host: Netlink, family: Family): Link | undefined {
  const address = ELSEWHERE[family]
  return address === undefined ? undefined : linkTowards(host, address)
}

/** Keys that need addresses, in a network that has none. */
export function keysWithoutEffect({ ipam, isDefaultGateway, isGateway, masquerade }: Settings): string[] {
  if (ipam !== undefined) return []
  const keys = [
    ...(isDefaultGateway ? ['isDefaultGateway'] : isGateway ? ['isGateway'] : []),
    ...(masquerade === undefined ? [] : ['ipMasq']),
  ]
  return keys.map(
    (key) => `"${key}" has no effect without "ipam": the container gets no address; set "ipam", or remove "${key}"`,
  )
}

/** Of a bridge that is the pods' gateway. `mtu` is that of the container's link, `subnets` are its addresses' or IPAM's. */
export function gatewayDoubts(
  host: Netlink,
  { bridge }: Pick<Settings, 'bridge'>,
  mtu: number | undefined,
  subnets: readonly Prefix[],
  { part }: SharedSubnets,
): string[] {
  const both =
    subnets.some(({ address }) => address.family === 4) && subnets.some(({ address }) => address.family === 6)
  return [
    ...(mtu === undefined ? [] : aboveUplink(host, bridge, mtu, subnets)),
    ...part.map(hidden),
    ...(both && isWithoutIpv6(host, bridge)
      ? [
          'IPv6 is off on this node, so pods reach by it only each other: sysctl -w net.ipv6.conf.all.disable_ipv6=0, or lease no IPv6',
        ]
      : []),
  ]
}

/** Where the larger packets are lost: a peer that was told the pod's size sends what the way here does not take. */
function aboveUplink(host: Netlink, bridge: string, mtu: number, subnets: readonly Prefix[]): string[] {
  const doubts: string[] = []
  for (const family of [4, 6] as const) {
    if (subnets.length > 0 && !subnets.some(({ address }) => address.family === family)) continue
    const uplink = uplinkOf(host, family)
    if (uplink === undefined || uplink.name === bridge || uplink.mtu >= mtu) continue
    doubts.push(
      `pods have MTU ${mtu}, more than the ${uplink.mtu} of ${uplink.name}: large packets from outside can be lost; set "mtu": ${uplink.mtu} (host-gw and vxlan behind this plugin lower it themselves)`,
    )
  }
  return doubts.slice(0, 1)
}

function hidden({ subnet, link, address }: Shared): string {
  return `${formatPrefix(subnet)} of the pods has this node's own address ${formatPrefix(address)} of ${link.name} in it: neighbours of ${link.name} with addresses in that subnet cannot be reached; lease from another subnet`
}
