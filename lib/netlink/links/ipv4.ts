/**
 * What to change of a link's IPv4 settings (net.ipv4.conf.LINK), in its IFLA_AF_SPEC: IPV4_DEVCONF_,
 * include/uapi/linux/ip.h. The kernel tells them in another form, as one array of them all: link.ts.
 */

import { attributes, type Decoded } from '../codec/attributes.js'
import { type AttributeType, bool32 } from '../codec/types.js'

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
