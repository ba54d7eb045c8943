/** A Linux bridge. */

import { attributes, type Decoded } from '../codec/attributes.js'
import { bool8, u8, u16, u16be, u32 } from '../codec/types.js'
import type { LinkKind, LinkOptions } from './kind.js'

/** IFLA_BR_ (include/uapi/linux/if_link.h). Times are in 1/100 s. */
const bridgeData = attributes({
  forwardDelay: [1, u32],
  ageingTime: [4, u32],
  /** 0 off, 1 the kernel's, 2 by a daemon. */
  stp: [5, u32],
  vlanFiltering: [7, bool8],
  /** Ethernet type: 0x8100 or 0x88a8. */
  vlanProtocol: [8, u16be],
  groupForwardMask: [9, u16],
  multicastSnooping: [23, bool8],
  multicastQuerier: [25, bool8],
  callIptables: [36, u8],
  callIp6tables: [37, u8],
  /** 0 is none. */
  vlanDefaultPvid: [39, u16],
})

export interface BridgeData extends Decoded<typeof bridgeData> {
  readonly kind: 'bridge'
}

export interface BridgeSpec extends LinkOptions, BridgeData {}

export const bridge: LinkKind<BridgeSpec, BridgeData> = {
  kind: 'bridge',
  write: bridgeData.write,
  read: (reader, start, end) => ({ kind: 'bridge', ...bridgeData.read(reader, start, end) }),
}
