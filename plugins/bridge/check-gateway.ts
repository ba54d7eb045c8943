/** CHECK of the host as the container's gateway. */

import { ErrorCode } from '../../lib/cni/error.js'
import { subnetOf } from '../../lib/interface/leased-from.js'
import type { Differs } from '../../lib/interface/model.js'
import type { Address } from '../../lib/interface/routes.js'
import { equalPrefixes, formatPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { gatewayNameOf, type Settings } from './config.js'
import { gatewayDoubts } from './doubts.js'
import { gatewayPrefixes } from './gateway.js'
import { addressesFor, nodeOwnsSubnet, sharedSubnets } from './node-subnets.js'

/** `mtu` is that of the container's link. */
export function checkGateway(
  host: Netlink,
  bridge: Link,
  mtu: number,
  addresses: readonly Address[],
  settings: Settings,
  differs: Differs,
): void {
  const { vlan } = settings.port
  const name = gatewayNameOf(settings)
  const link = vlan === 0 ? bridge : host.links.find(name)
  if (link === undefined) {
    differs(`${name} is gone`)
    return
  }
  const subnets = addresses.map(({ prefix }) => subnetOf(prefix))
  const known = addressesFor(host, subnets)
  const present = known.filter(({ linkIndex }) => linkIndex === link.index)
  const wanted = gatewayPrefixes(addresses)
  for (const prefix of wanted) {
    if (!present.some((one) => equalPrefixes(one.prefix, prefix))) differs(`${name} lacks ${formatPrefix(prefix)}`)
  }
  for (const family of [4, 6] as const) {
    const isOf = wanted.some(({ address }) => address.family === family)
    if (isOf && !host.netconf.forwards(family)) differs(`IPv${family} forwarding is off`)
  }
  const foreign = known.filter(({ linkIndex }) => linkIndex !== link.index)
  const shared = sharedSubnets(host, settings.bridge, subnets, foreign)
  for (const whole of shared.whole) {
    const { message, details } = nodeOwnsSubnet(ErrorCode.NotAsConfigured, settings.bridge, whole)
    differs(`${message}: ${details}`)
  }
  for (const doubt of gatewayDoubts(host, settings, mtu, subnets, shared)) differs(doubt)
}
