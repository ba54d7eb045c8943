/** Raw frames out of an interface: packet(7). */

import { AF_PACKET, openSocket, SOCK_RAW, send } from '../sys/socket.js'

/** Opens a socket that only sends, in the current network namespace, where it stays. */
export function openPacketSocket(): number {
  const NOTHING_TO_RECEIVE = 0
  return openSocket(AF_PACKET, SOCK_RAW, NOTHING_TO_RECEIVE)
}

/** Sends a whole frame, Ethernet header included, out of the link of this index. */
export function sendFrame(socket: number, linkIndex: number, frame: Uint8Array): void {
  // struct sockaddr_ll (include/uapi/linux/if_packet.h); protocol and destination are in the frame.
  const to = new Uint8Array(20)
  const view = new DataView(to.buffer)
  view.setUint16(0, AF_PACKET, true)
  view.setInt32(4, linkIndex, true)
  send(socket, frame, to)
}
