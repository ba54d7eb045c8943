/** Generic netlink: families found by name (struct genlmsghdr, include/uapi/linux/genetlink.h). */

import { attributes } from './codec/attributes.js'
import { text, u16 } from './codec/types.js'
import type { Writer } from './codec/writer.js'
import type { NetlinkSocket } from './socket.js'

const GENL_ID_CTRL = 16
const CTRL_CMD_GETFAMILY = 3

const control = attributes({ id: [1, u16], name: [2, text] })

export const GENERIC_HEADER = 4

/** cmd, version, reserved. */
export function writeGenericHeader(writer: Writer, command: number): void {
  writer.u8(command)
  writer.u8(1)
  writer.u16(0)
}

/** The message type of a family's requests. Throws NetlinkError ENOENT where the kernel has no such family. */
export function familyId(socket: NetlinkSocket, name: string): number {
  const request = {
    type: GENL_ID_CTRL,
    flags: 0,
    about: () => `find generic netlink family ${name}`,
    write(writer: Writer) {
      writeGenericHeader(writer, CTRL_CMD_GETFAMILY)
      control.write(writer, { name })
    },
  }
  return socket.get(request, ({ reader, start, end }) => control.read(reader, start + GENERIC_HEADER, end).id ?? 0)
}
