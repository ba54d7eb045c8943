/** Sockets of this namespace by their port (include/uapi/linux/inet_diag.h): one question, where /proc/net lists all. */

import type { Family, IpAddress } from '../ip/address.js'
import { isErrno } from '../sys/errno.js'
import type { Request } from './message.js'
import { NetlinkSocket } from './socket.js'

const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const TCP = 6
const TCP_LISTEN = 10
/** Of struct inet_diag_msg. */
const STATE = 1
const INODE = 68
const FAMILY = { 4: 2, 6: 10 } as const

export interface BoundSocket {
  /** By which /proc/PID/fd names it; never 0. */
  readonly inode: number
}

export class SocketDiag {
  readonly #socket = new NetlinkSocket(NETLINK_SOCK_DIAG)

  /**
   * The socket that what is sent to the address arrives at, for a protocol of IANA's number: of the unspecified address,
   * one that is bound to every address. Undefined where nothing listens there, or where the kernel cannot tell.
   */
  find(protocol: number, { family, bytes }: IpAddress, port: number): BoundSocket | undefined {
    try {
      const { state, inode } = this.#socket.get(question(protocol, family, bytes, port), ({ reader, start }) => ({
        state: reader.bytes[start + STATE],
        inode: reader.view.getUint32(start + INODE, true),
      }))
      const isListening = protocol !== TCP || state === TCP_LISTEN
      return isListening && inode !== 0 ? { inode } : undefined
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT')) return undefined
      throw error
    }
  }

  close(): void {
    this.#socket.abandon()
  }
}

/** For TCP the kernel takes the source for its own side, for UDP the destination: so both are given. */
function question(protocol: number, family: Family, address: Uint8Array, port: number): Request {
  return {
    type: SOCK_DIAG_BY_FAMILY,
    flags: 0,
    about: () => `ask who listens on port ${port}`,
    write(writer) {
      writer.u8(FAMILY[family])
      writer.u8(protocol)
      writer.u16be(0)
      writer.u32(0xffffffff) // in any state
      for (let side = 0; side < 2; side++) writer.u16be(port)
      for (let side = 0; side < 2; side++) {
        writer.put(address)
        writer.zeros(16 - address.length)
      }
      writer.u32(0)
      for (let half = 0; half < 2; half++) writer.u32(0xffffffff) // INET_DIAG_NOCOOKIE
    },
  }
}
