/** What a link is as the port of a bridge: IFLA_BRPORT_ (include/uapi/linux/if_link.h). */

import { attributes, type Decoded } from '../codec/attributes.js'
import { bool8, nested, u8, u16, u32 } from '../codec/types.js'
import { AF_BRIDGE } from '../family.js'
import type { Request } from '../message.js'
import { RTM_SETLINK, writeLinkHeader } from './attributes.js'

export const bridgePort = attributes({
  /** Spanning tree: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  state: [1, u8],
  priority: [2, u16],
  cost: [3, u32],
  /** May a frame leave by the port it came in. */
  hairpin: [4, bool8],
  guard: [5, bool8],
  learning: [8, bool8],
  unicastFlood: [9, bool8],
  proxyArp: [10, bool8],
  multicastFlood: [27, bool8],
  broadcastFlood: [30, bool8],
  neighbourSuppress: [32, bool8],
  /** Isolated ports cannot talk to each other. */
  isolated: [33, bool8],
  /** Frames from a MAC that the bridge has no entry for are dropped. Linux 5.18; an older one ignores it. */
  locked: [39, bool8],
})

export type BridgePort = Decoded<typeof bridgePort>

const portMessage = attributes({ port: [12, nested(bridgePort)] }) // IFLA_PROTINFO

/**
 * Changes what is given of a bridge port. Not by RTM_NEWLINK, which can do it, too: that tells all of the kernel that a
 * link has changed, and IPv6 looks through its routes.
 */
export function setPort(index: number, port: BridgePort): Request {
  return {
    type: RTM_SETLINK,
    flags: 0,
    about: (link) => `change bridge port, ${link(index)}`,
    write(writer) {
      writeLinkHeader(writer, index, 0, 0, AF_BRIDGE)
      portMessage.write(writer, { port })
    },
  }
}
