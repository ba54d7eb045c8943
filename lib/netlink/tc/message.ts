/** struct tcmsg and what qdiscs and filters have in common (include/uapi/linux/rtnetlink.h, pkt_sched.h). */

import type { Writer } from '../codec/writer.js'

export const RTM_NEWQDISC = 36
export const RTM_DELQDISC = 37
export const RTM_GETQDISC = 38
export const RTM_NEWTFILTER = 44

export const TCA_KIND = 1
export const TCA_OPTIONS = 2

/** Length of struct tcmsg. */
export const TC_HEADER_LENGTH = 20

/** A handle is `major:minor`, 16 bits each. */
export const TC_ROOT = 0xffffffff
export const TC_INGRESS = 0xfffffff1
/** `1:` */
export const FIRST = 0x10000
/** `ffff:` */
export const INGRESS_HANDLE = 0xffff0000

export function writeTcHeader(writer: Writer, link: number, handle: number, parent: number, info = 0): void {
  writer.u32(0) // tcm_family and padding
  writer.u32(link)
  writer.u32(handle)
  writer.u32(parent)
  writer.u32(info)
}
