/** A request the kernel refused, with its own words where it gave some. */

import { errnoName } from '../sys/errno.js'
import { eachAttribute, type Reader } from './codec/reader.js'
import { text } from './codec/types.js'

/** What the kernel adds to a refusal (NLMSGERR_ATTR_, include/uapi/linux/netlink.h). */
export interface ExtendedAck {
  readonly message?: string
  /** Where in the request, from its nlmsghdr on, the attribute at fault begins. */
  readonly offset?: number
  /** The number of an attribute that is missing. */
  readonly missing?: number
}

/** `message` reads `create link cni0: EEXIST`, with the kernel's text in brackets behind it. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError'
  /** The errno's name, for `isErrno`. */
  readonly code: string
  /** The kernel's explanation. */
  readonly kernelMessage: string | undefined
  /** Offset of the attribute at fault in the request. */
  readonly offset: number | undefined

  constructor(
    /** What was asked, such as `create link cni0`. */
    readonly request: string,
    readonly errno: number,
    extended: ExtendedAck = {},
  ) {
    const said = extended.message ?? (extended.missing === undefined ? '' : `attribute ${extended.missing} is missing`)
    super(`${request}: ${errnoName(errno)}${said === '' ? '' : ` (kernel: "${said}")`}`)
    this.code = errnoName(errno)
    this.kernelMessage = extended.message
    this.offset = extended.offset
  }
}

/** The attributes behind an error or a DONE. */
export function readExtendedAck(reader: Reader, start: number, end: number): ExtendedAck {
  const ack: { message?: string; offset?: number; missing?: number } = {}
  eachAttribute(reader, start, end, (number, from, to) => {
    if (number === 1) ack.message = text.read(reader, from, to)
    else if (number === 2) ack.offset = reader.view.getUint32(from, true)
    else if (number === 5) ack.missing = reader.view.getUint32(from, true)
  })
  return ack
}
