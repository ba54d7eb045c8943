/** The container's hardware address. */

import type { IpAddress } from '../ip/address.js'
import { formatMac, macOfAddress } from '../ip/mac.js'
import { randomBytes } from '../sys/process.js'

/** A hardware address of nobody's: unicast, locally administered. */
export function randomMac(): string {
  const mac = randomBytes(6)
  mac[0] = ((mac[0] as number) & 0xfc) | 0x02
  return formatMac(mac)
}

/**
 * The MAC that says the first IPv4 address. Whoever has the address next has the MAC too, so what others remember of the
 * last one stays right, and nobody needs to be told. Undefined without IPv4: of 16 bytes none are sure to tell two
 * containers of a segment apart.
 */
export function boundMac(addresses: readonly IpAddress[]): string | undefined {
  const first = addresses.find(({ family }) => family === 4)
  return first === undefined ? undefined : macOfAddress(first.bytes)
}

/** IPAM plugins that ask a server, which knows the container by the MAC that it asks with. */
const ASKING = ['dhcp']

/** The MAC of a container that nobody asked one for; undefined for the one that its link was born with. */
export function ownMac(ipam: string | undefined, addresses: readonly IpAddress[]): string | undefined {
  return ipam !== undefined && ASKING.includes(ipam) ? undefined : boundMac(addresses)
}

/** Whether the address has this MAC whoever has the address. */
export function isBound(address: IpAddress, mac: string): boolean {
  return boundMac([address]) === mac
}
