/** struct ifinfomsg and IFLA_ (include/uapi/linux/rtnetlink.h, if_link.h). */

import { attributes } from '../codec/attributes.js'
import { bareText, mac, s32, text, u8, u32 } from '../codec/types.js'
import type { Writer } from '../codec/writer.js'
import { AF_INET, AF_INET6 } from '../family.js'
import { ipv4 } from './ipv4.js'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19

export const IFF_UP = 0x1
export const IFF_NOARP = 0x80
export const IFF_PROMISC = 0x100
export const IFF_ALLMULTI = 0x200
export const IFF_MULTICAST = 0x1000

export const LINK_HEADER_LENGTH = 16

/** ifi_family, padding, ifi_type, ifi_index, ifi_flags, ifi_change. Without arguments all zero, as filters must be. */
export function writeLinkHeader(writer: Writer, index = 0, flags = 0, change = 0, family = 0): void {
  const at = writer.take(LINK_HEADER_LENGTH)
  const { view } = writer
  view.setUint32(at, family, true)
  view.setInt32(at + 4, index, true)
  view.setUint32(at + 8, flags, true)
  view.setUint32(at + 12, change, true)
}

const inet6 = attributes({ addressGenerationMode: [8, u8] }) // IFLA_INET6_ADDR_GEN_MODE
const perFamily = attributes({ inet: [AF_INET, ipv4], inet6: [AF_INET6, inet6] })

/** What a link, a change and a veth's peer are made of; IFLA_LINKINFO joins them in `info.ts`. */
export const linkFields = {
  mac: [1, mac],
  name: [3, text],
  mtu: [4, u32],
  link: [5, u32],
  master: [10, u32],
  txQueueLength: [13, u32],
  operationalState: [16, u8],
  alias: [20, bareText],
  perFamily: [26, perFamily],
  namespaceFd: [28, u32],
  extensionMask: [29, u32],
  promiscuity: [30, u32],
  peerNamespaceId: [37, s32],
  /** Of a request: the namespace that is asked, by its number here. */
  targetNamespaceId: [46, s32],
} as const
export const linkAttributes = attributes(linkFields)
