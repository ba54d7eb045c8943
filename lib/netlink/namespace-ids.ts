/** The numbers by which a namespace knows others (struct rtgenmsg and NETNSA_, include/uapi/linux/net_namespace.h). */

import { attributes } from './codec/attributes.js'
import { s32, u32 } from './codec/types.js'
import type { Writer } from './codec/writer.js'
import type { NetlinkSocket } from './socket.js'

const RTM_GETNSID = 90
/** struct rtgenmsg is a byte, and attributes begin at a multiple of four. */
const HEADER = 4
/** NETNSA_NSID_NOT_ASSIGNED. */
const NOT_ASSIGNED = -1

const namespace = attributes({ id: [1, s32], fd: [3, u32] })

/**
 * Returns the number of the namespace behind a descriptor. Undefined where there is none: then no link of this namespace
 * has its other end there.
 */
export function namespaceId(socket: NetlinkSocket, fd: number): number | undefined {
  const request = {
    type: RTM_GETNSID,
    flags: 0,
    about: () => 'ask for the id of a network namespace',
    write(writer: Writer) {
      writer.u32(0)
      namespace.write(writer, { fd })
    },
  }
  const id = socket.get(request, ({ reader, start, end }) => namespace.read(reader, start + HEADER, end).id)
  return id === NOT_ASSIGNED ? undefined : id
}
