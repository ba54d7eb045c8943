/** The addresses of which others on the segment may remember another MAC. */

import { isBound } from '../../lib/interface/mac.js'
import type { ContainerEnd } from '../../lib/interface/model.js'
import type { IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { isOurs } from './ensure-bridge.js'
import type { BridgeWork, Joined } from './model.js'
import { rememberNeighbours } from './neighbours.js'

/**
 * Writes down on the host who has the addresses, and returns those to announce. For IPv6, whose addresses are seldom given
 * away twice, the host's neighbour table is right about the containers of a bridge of ours. On any other bridge, and on one
 * that the host is not the gateway of, there may be others that we cannot see.
 */
export function announced(
  { host, steps }: BridgeWork,
  { bridge }: Joined,
  { mac }: ContainerEnd,
  owned: readonly IpAddress[],
  gateway: Link | undefined,
): IpAddress[] {
  const mistaken = gateway === undefined ? [] : rememberNeighbours(host, gateway.index, mac, owned, steps)
  const knows = gateway !== undefined && isOurs(bridge)
  const isSure = (one: IpAddress) => knows && (one.family === 6 || isBound(one, mac))
  return owned.filter((one) => mistaken.includes(one) || !isSure(one))
}
