/**
 * A link's IPv4 settings (net.ipv4.conf.LINK) in its IFLA_AF_SPEC: IPV4_DEVCONF_, include/uapi/linux/ip.h. They are
 * changed as attributes, and read as one array of them all.
 */

import { attributes, type Decoded } from '../codec/attributes.js'
import { findAttribute, type Reader } from '../codec/reader.js'
import { type AttributeType, bool32 } from '../codec/types.js'
import { AF_INET } from '../family.js'

const settings = attributes({
  /** Whether a MAC that is set, or the link's coming up, is announced by ARP. */
  arpNotify: [22, bool32],
})

export type Ipv4Settings = Decoded<typeof settings>

const inet = attributes({ settings: [1, settings] }) // IFLA_INET_CONF

/** The part of AF_INET in IFLA_AF_SPEC; who reads a link seldom wants it. */
export const ipv4: AttributeType<Ipv4Settings | undefined> = {
  write: (writer, value) => inet.write(writer, { settings: value }),
  read: () => undefined,
}

/** Reads from what follows the header of RTM_NEWLINK whether packets of 127/8 may pass; false where the link has no IPv4. */
export function readRouteLocalnet(reader: Reader, start: number, end: number): boolean {
  const [IFLA_AF_SPEC, IFLA_INET_CONF, ROUTE_LOCALNET] = [26, 1, 26]
  let at: readonly [number, number] | undefined = [start, end]
  for (const number of [IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF]) {
    at = at && findAttribute(reader, at[0], at[1], number)
  }
  return at !== undefined && reader.words[(at[0] >> 2) + ROUTE_LOCALNET - 1] !== 0
}
