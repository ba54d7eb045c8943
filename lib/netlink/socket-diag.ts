/** Sockets of this namespace by their port (include/uapi/linux/inet_diag.h): one question, where /proc/net lists all. */

import type { IpAddress } from '../ip/address.js'
import { isErrno } from '../sys/errno.js'
import type { Message, Request } from './message.js'
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

/** Who listens on a port, for a protocol of IANA's number. */
export interface Question {
  readonly protocol: number
  readonly address: IpAddress
  readonly port: number
}

export class SocketDiag {
  readonly #socket = new NetlinkSocket(NETLINK_SOCK_DIAG)

  /**
   * The sockets that what is sent to the addresses arrives at, in the order of the questions: for an unspecified address
   * one that is bound to every address. Undefined where nothing listens, or where the kernel cannot tell.
   */
  find(questions: readonly Question[]): (BoundSocket | undefined)[] {
    try {
      return this.#socket.getAll(questions.map(toRequest), readSocket).map((found, at) => {
        const isListening = questions[at]?.protocol !== TCP || found?.state === TCP_LISTEN
        return found !== undefined && isListening && found.inode !== 0 ? { inode: found.inode } : undefined
      })
    } catch (error) {
      if (isErrno(error, 'EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT')) return questions.map(() => undefined)
      throw error
    }
  }

  close(): void {
    this.#socket.close()
  }
}

/** For TCP the kernel takes the source for its own side, for UDP the destination: so both are given. */
function toRequest({ protocol, address: { family, bytes }, port }: Question): Request {
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
        writer.put(bytes)
        writer.zeros(16 - bytes.length)
      }
      writer.u32(0)
      for (let half = 0; half < 2; half++) writer.u32(0xffffffff) // INET_DIAG_NOCOOKIE
    },
  }
}

function readSocket({ reader, start }: Message): { readonly state: number | undefined; readonly inode: number } {
  return { state: reader.bytes[start + STATE], inode: reader.view.getUint32(start + INODE, true) }
}
