/** The host as the container's gateway: addresses on the bridge, or on a link into one of its VLANs. */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { subnetOf } from '../../lib/interface/leased-from.js'
import type { Address } from '../../lib/interface/routes.js'
import { isLinkLocal } from '../../lib/ip/address.js'
import { broadcastOf, equalPrefixes, formatPrefix, overlaps, type Prefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isErrno } from '../../lib/sys/errno.js'
import { sha256Hex } from '../../lib/sys/text.js'
import { enableForwarding } from '../../lib/sysctl/forwarding.js'
import { isIpv6Off } from '../../lib/sysctl/ipv6.js'
import { preferSysctl } from '../../lib/sysctl/sysctl.js'
import type { Settings } from './config.js'
import { isOurs } from './ensure-bridge.js'
import { type GatewayLink, giveIpv6 } from './gateway-ipv6.js'
import { nodeOwnsSubnet, sharedSubnets } from './node-subnets.js'
import { setVlans } from './port.js'

export function gatewayPrefixes(addresses: readonly Address[]): Prefix[] {
  const prefixes: Prefix[] = []
  for (const { prefix, gateway } of addresses) {
    if (gateway === undefined) continue
    const wanted = { address: gateway, length: prefix.length }
    if (!prefixes.some((known) => equalPrefixes(known, wanted))) prefixes.push(wanted)
  }
  return prefixes
}

/** Gives `link` every gateway address, and the node forwarding for their families. True where it had one of them not. */
export function ensureGateway(
  host: Netlink,
  link: Link,
  bridge: Link,
  ownPort: number,
  addresses: readonly Address[],
  { bridge: name, forceAddress }: Settings,
): boolean {
  const wanted = gatewayPrefixes(addresses)
  let isNew = false
  for (const family of [4, 6] as const) {
    const ofFamily = wanted.filter(({ address }) => address.family === family)
    if (ofFamily.length === 0) continue
    const present = host.addresses.list(link.index, family).map(({ prefix }) => prefix)
    const missing = ofFamily.filter((prefix) => !present.some((known) => equalPrefixes(known, prefix)))
    if (missing.length > 0) {
      isNew = true
      const [shared] = sharedSubnets(host, name, missing.map(subnetOf)).whole
      if (shared !== undefined) throw nodeOwnsSubnet(ErrorCode.InvalidConfig, name, shared)
      const conflicts = present.filter((prefix) => isInTheWay(prefix, missing, wanted))
      if (conflicts.length > 0) clear(host, link, bridge, ownPort, conflicts, missing[0] as Prefix, forceAddress)
      const addressed = { link, bridge, onlyIpv6: wanted.every(({ address }) => address.family === 6) }
      for (const prefix of missing) addGateway(host, addressed, prefix)
    }
    enableForwarding(host, family)
  }
  return isNew
}

/** Any other IPv4 address; an IPv6 address of an overlapping network, but for the link-local one. */
function isInTheWay(prefix: Prefix, missing: readonly Prefix[], wanted: readonly Prefix[]): boolean {
  if (wanted.some((known) => equalPrefixes(known, prefix))) return false
  if (prefix.address.family === 4) return true
  return !isLinkLocal(prefix.address) && missing.some((other) => overlaps(other, prefix))
}

function addGateway(host: Netlink, to: GatewayLink, prefix: Prefix): void {
  const spec = { prefix, broadcast: broadcastOf(prefix), noDad: true }
  const add = () => {
    try {
      host.addresses.add(to.link.index, spec, { exclusive: true })
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error // a neighbour's ADD was quicker
    }
  }
  try {
    add()
  } catch (error) {
    if (prefix.address.family !== 6 || !isErrno(error, 'EACCES') || !isIpv6Off(to.link.name)) throw error
    giveIpv6(host, to, `cannot give ${to.link.name} the gateway ${formatPrefix(prefix)}`)
    add()
  }
}

function clear(
  host: Netlink,
  link: Link,
  bridge: Link,
  ownPort: number,
  conflicts: readonly Prefix[],
  wanted: Prefix,
  forced: boolean,
): void {
  if (!forced) {
    const ours = isOurs(bridge)
    const ports = host.links.list({ master: bridge.index }).filter(({ index }) => index !== ownPort).length
    if (!ours || ports > 0) throw occupied(link, bridge, conflicts, wanted, ours, ports)
  }
  for (const prefix of conflicts) {
    try {
      host.addresses.remove(link.index, prefix)
    } catch (error) {
      if (!isErrno(error, 'EADDRNOTAVAIL')) throw error
    }
  }
}

function occupied(
  { name }: Link,
  { alias = '' }: Link,
  conflicts: readonly Prefix[],
  wanted: Prefix,
  ours: boolean,
  ports: number,
): CniError {
  const list = conflicts.map(formatPrefix).join(', ')
  const whose = ours
    ? `set by us, the bridge is of network ${alias.slice(alias.indexOf(':') + 1)}`
    : 'the bridge was not made by us'
  return new CniError(
    ErrorCode.InvalidConfig,
    `failed to set bridge addr: ${JSON.stringify(name)} already has an IP address different from ${formatPrefix(wanted)}`,
    `${name} has ${list} (${whose}; ${ports} other ports). If nobody uses it: ip addr del ${conflicts[0] === undefined ? '' : formatPrefix(conflicts[0])} dev ${name}, or set "forceAddress": true`,
  )
}

/**
 * The link `<bridge>.<vlan>`, one end of a pair whose other end is an untagged port of that VLAN. It comes
 * up last, so one that is down is one that an earlier call did not finish.
 */
export function ensureVlanGateway(host: Netlink, bridge: Link, vlan: number): Link {
  const name = `${bridge.name}.${vlan}`
  let found = host.links.find(name)
  if (found === undefined) {
    try {
      host.links.create({
        kind: 'veth',
        name: hostLinkName(sha256Hex(name)),
        mtu: bridge.mtu,
        master: bridge.index,
        addressGenerationMode: 'none',
        peer: { name, mtu: bridge.mtu },
      })
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    found = host.links.get(name)
  }
  if (found.up || found.peerIndex === undefined) return found
  setVlans(host, found.peerIndex, { vlan, trunk: [], preserveDefaultVlan: false })
  host.links.change(found.peerIndex, { up: true })
  preferSysctl(`net/ipv6/conf/${name}/accept_dad`, '0')
  host.links.change(found.index, { up: true })
  return found
}
