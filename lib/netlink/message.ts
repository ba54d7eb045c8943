/** struct nlmsghdr and what a request is (include/uapi/linux/netlink.h). */

import type { Reader } from './codec/reader.js'
import type { Writer } from './codec/writer.js'
import type { NetlinkError } from './error.js'

export const HEADER_LENGTH = 16

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_ECHO = 0x8
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

/** `link eth0`, of its index. */
export type DescribeLink = (index: number) => string

/** Something to ask of the kernel. It is written when it is sent, straight into the socket's buffer. */
export interface Request {
  /** nlmsg_type. */
  readonly type: number
  /** NLM_F_ flags besides REQUEST, ACK and DUMP, which the socket sets. */
  readonly flags: number
  /** What it does and to what, for errors: `create link veth0`. Links that it names by their index go through `link`. */
  about(link: DescribeLink): string
  /** Appends the family's fixed header and the attributes. */
  write(writer: Writer): void
}

/** A received message: valid only until the function it was given to returns. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly reader: Reader
  /** Where the family's fixed header begins in the reader. */
  readonly start: number
  readonly end: number
}

/** A refused request of a batch: its place in the list, and why. */
export interface Failure {
  readonly index: number
  readonly error: NetlinkError
}
