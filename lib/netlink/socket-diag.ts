/** Sockets of this namespace by their port (include/uapi/linux/inet_diag.h): the kernel selects, where /proc/net lists all. */

import { addressOf, type Family, type IpAddress } from '../ip/address.js'
import { isErrno } from '../sys/errno.js'
import { findAttribute } from './codec/reader.js'
import { familyNumber } from './family.js'
import type { Message, Request } from './message.js'
import { NetlinkSocket } from './socket.js'

const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const UDP = 17
/** States that await what comes from anybody: a listening socket, and a UDP socket that is not connected. */
const TCP_CLOSE = 7
const TCP_LISTEN = 10
/** Of struct inet_diag_msg. */
const PORT = 4
const SOURCE = 8
const INODE = 68
const MESSAGE = 72
const INET_DIAG_SKV6ONLY = 11

export interface Listener {
  /** By which /proc/PID/fd names it; never 0. */
  readonly inode: number
  readonly port: number
  /** `::` also takes what is sent to IPv4 addresses, unless `v6Only`. */
  readonly address: IpAddress
  readonly v6Only: boolean
}

export class SocketDiag {
  readonly #socket = new NetlinkSocket(NETLINK_SOCK_DIAG)

  /**
   * Who waits for packets to a port, on whichever address; on any port where `port` is undefined. `protocol` is IANA's number.
   * Empty where the kernel cannot tell.
   */
  listeners(protocol: number, port: number | undefined): Listener[] {
    return ([4, 6] as const).flatMap((family) => this.#listenersOf(family, protocol, port))
  }

  #listenersOf(family: Family, protocol: number, port: number | undefined): Listener[] {
    try {
      return this.#socket.dump(toRequest(family, protocol, port ?? 0), readListener)
    } catch (error) {
      if (isErrno(error, 'EINVAL', 'ENOENT', 'EOPNOTSUPP', 'EPROTONOSUPPORT')) return []
      throw error
    }
  }

  close(): void {
    this.#socket.close()
  }
}

/** struct inet_diag_req_v2. */
function toRequest(family: Family, protocol: number, port: number): Request {
  return {
    type: SOCK_DIAG_BY_FAMILY,
    flags: 0,
    about: () => `ask who listens on port ${port}`,
    write(writer) {
      writer.u8(familyNumber(family))
      writer.u8(protocol)
      writer.u16be(0)
      writer.u32(1 << (protocol === UDP ? TCP_CLOSE : TCP_LISTEN))
      writer.u16be(port)
      writer.zeros(2 + 16 + 16 + 4) // the other side's port, both addresses, the link
      for (let half = 0; half < 2; half++) writer.u32(0xffffffff) // INET_DIAG_NOCOOKIE
    },
  }
}

function readListener({ reader, start, end }: Message): Listener | undefined {
  const { bytes, view } = reader
  const inode = view.getUint32(start + INODE, true)
  if (inode === 0) return undefined
  const length = bytes[start] === familyNumber(4) ? 4 : 16
  const only = findAttribute(reader, start + MESSAGE, end, INET_DIAG_SKV6ONLY)
  return {
    inode,
    port: view.getUint16(start + PORT),
    address: addressOf(bytes.slice(start + SOURCE, start + SOURCE + length)),
    v6Only: only !== undefined && bytes[only[0]] === 1,
  }
}
