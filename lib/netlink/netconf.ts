/** What holds for all links of a namespace (struct netconfmsg and NETCONFA_, include/uapi/linux/netconf.h). */

import type { Family } from '../ip/address.js'
import { isErrno } from '../sys/errno.js'
import { attributes } from './codec/attributes.js'
import { s32 } from './codec/types.js'
import { familyNumber } from './family.js'
import type { Message, Request } from './message.js'
import type { NetlinkSocket } from './socket.js'

const RTM_GETNETCONF = 82
/** struct netconfmsg is a byte, and attributes begin at a multiple of four. */
const HEADER = 4
/** NETCONFA_IFINDEX_ALL. */
const ALL = -1

const netconf = attributes({ link: [1, s32], forwarding: [2, s32] })

export class Netconf {
  constructor(private readonly socket: NetlinkSocket) {}

  /**
   * Whether packets of a family are forwarded (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding). Asked here, for a path
   * below /proc/sys/net takes longer with every namespace that somebody has used one in: 0.5 ms with a thousand.
   */
  forwards(family: Family): boolean {
    try {
      return this.socket.get(getNetconf(family, ALL), readNetconf).forwarding === 1
    } catch (error) {
      if (isErrno(error, 'EOPNOTSUPP', 'EAFNOSUPPORT')) return false // the kernel does not speak it
      throw error
    }
  }
}

/** Of one link, by its index, or of all. */
export function getNetconf(family: Family, link: number): Request {
  return {
    type: RTM_GETNETCONF,
    flags: 0,
    about: (describe) => `get IPv${family} settings of ${link === ALL ? 'all links' : describe(link)}`,
    write(writer) {
      writer.u32(familyNumber(family))
      netconf.write(writer, { link })
    },
  }
}

export function readNetconf({ reader, start, end }: Message) {
  return netconf.read(reader, start + HEADER, end)
}
