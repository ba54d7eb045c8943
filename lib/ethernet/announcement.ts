/**
 * Frames that tell a segment which hardware address an IP address has now, so that what its members
 * remember of an earlier owner is replaced at once.
 */

import type { IpAddress } from '../ip/address.js'
import { internetChecksum } from './checksum.js'

const ETHERTYPE_ARP = 0x0806
const ETHERTYPE_IPV6 = 0x86dd

/** A gratuitous ARP request for IPv4 (RFC 5227 section 3), an unsolicited neighbour advertisement for IPv6. */
export function announcement(mac: Uint8Array, address: IpAddress): Uint8Array {
  return address.family === 4 ? gratuitousArp(mac, address.bytes) : unsolicitedAdvertisement(mac, address.bytes)
}

/** RFC 826 over Ethernet: sender and target are the same address. */
function gratuitousArp(mac: Uint8Array, address: Uint8Array): Uint8Array {
  const frame = new Uint8Array(42)
  const view = new DataView(frame.buffer)
  frame.fill(0xff, 0, 6)
  frame.set(mac, 6)
  view.setUint16(12, ETHERTYPE_ARP)
  view.setUint16(14, 1) // hardware: Ethernet
  view.setUint16(16, 0x0800) // protocol: IPv4
  frame[18] = 6
  frame[19] = 4
  view.setUint16(20, 1) // request
  frame.set(mac, 22)
  frame.set(address, 28)
  frame.set(address, 38) // between them the target's hardware address, which nobody knows
  return frame
}

/** RFC 4861 sections 4.4 and 7.2.6: to all nodes, with the override flag. */
function unsolicitedAdvertisement(mac: Uint8Array, address: Uint8Array): Uint8Array {
  const ALL_NODES = new Uint8Array([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
  const ICMPV6 = 58
  const frame = new Uint8Array(86)
  const view = new DataView(frame.buffer)
  frame.set([0x33, 0x33, 0, 0, 0, 1])
  frame.set(mac, 6)
  view.setUint16(12, ETHERTYPE_IPV6)
  frame[14] = 0x60 // version 6
  view.setUint16(18, 32) // payload: ICMPv6 header 4, flags 4, target 16, option 8
  frame[20] = ICMPV6
  frame[21] = 255 // hop limit
  frame.set(address, 22)
  frame.set(ALL_NODES, 38)
  frame[54] = 136 // neighbour advertisement
  frame[58] = 0x20 // override
  frame.set(address, 62)
  frame[78] = 2 // option: target link-layer address, in units of 8 bytes
  frame[79] = 1
  frame.set(mac, 80)
  const pseudo = new Uint8Array([0, 0, 0, 32, 0, 0, 0, ICMPV6])
  view.setUint16(56, internetChecksum(frame.subarray(22, 54), pseudo, frame.subarray(54)))
  return frame
}
