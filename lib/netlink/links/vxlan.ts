/** A VXLAN tunnel endpoint (RFC 7348). */

import type { IpAddress } from '../../ip/address.js'
import { attributes, type Decoded } from '../codec/attributes.js'
import { bool8, flag, ip, u8, u16be, u32 } from '../codec/types.js'
import type { LinkKind, LinkOptions } from './kind.js'

/** IFLA_VXLAN_ (include/uapi/linux/if_link.h). An address has one number in each family. */
const vxlanData = attributes({
  id: [1, u32],
  remote4: [2, ip],
  /** Index of the underlay's link; it clamps the MTU and its deletion deletes the tunnel. */
  underlay: [3, u32],
  local4: [4, ip],
  ttl: [5, u8],
  tos: [6, u8],
  learning: [7, bool8],
  /** Seconds. */
  ageing: [8, u32],
  proxy: [11, bool8],
  routeShortCircuit: [12, bool8],
  layer2Miss: [13, bool8],
  layer3Miss: [14, bool8],
  port: [15, u16be], // big-endian, unlike its neighbours
  remote6: [16, ip],
  local6: [17, ip],
  udpChecksum: [18, bool8],
  udpZeroChecksum6Tx: [19, bool8],
  udpZeroChecksum6Rx: [20, bool8],
  groupPolicy: [23, flag],
  collectMetadata: [25, bool8],
  /** 0 unset, 1 set, 2 inherit: the outer "don't fragment". */
  dontFragment: [29, u8],
})

type OneFamily = 'remote4' | 'remote6' | 'local4' | 'local6'

export interface VxlanData extends Omit<Decoded<typeof vxlanData>, OneFamily> {
  readonly kind: 'vxlan'
  /** Outer source address. */
  readonly local?: IpAddress | undefined
  /** Default destination: unicast or a group. */
  readonly remote?: IpAddress | undefined
}

/** `id`, `mac` and `port` should be given: the kernel's defaults are 0, random and 8472. */
export interface VxlanSpec extends LinkOptions, VxlanData {}

export const vxlan: LinkKind<VxlanSpec, VxlanData> = {
  kind: 'vxlan',
  write(writer, spec) {
    const { local, remote } = spec
    vxlanData.write(writer, {
      ...spec,
      [local?.family === 6 ? 'local6' : 'local4']: local,
      [remote?.family === 6 ? 'remote6' : 'remote4']: remote,
    })
  },
  read(reader, start, end) {
    const { local4, local6, remote4, remote6, ...data } = vxlanData.read(reader, start, end)
    return { kind: 'vxlan', ...data, local: local4 ?? local6, remote: remote4 ?? remote6 }
  },
}
