/** What rules ask of a packet, in the steps of nf_tables. */

import type { Family, IpAddress } from '../ip/address.js'
import { maskOf, networkOf, type Prefix } from '../ip/prefix.js'
import {
  BROADCAST,
  bitwise,
  CT_DIRECTION,
  CT_STATUS,
  compare,
  ct,
  type Expression,
  lookup,
  meta,
  payload,
  range,
} from '../netlink/nftables/expression.js'
import { encodeUtf8 } from '../sys/text.js'
import { nameBytes } from './key.js'

/** NFPROTO_, as `meta nfproto` loads it. */
export const NFPROTO = { 4: 2, 6: 10 } as const
/** Offsets in struct iphdr and struct ipv6hdr. */
export const OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const

export type Side = 'source' | 'destination'

export function isFamily(family: Family): Expression[] {
  return [meta('family'), compare(new Uint8Array([NFPROTO[family]]))]
}

/** Loads an address; the packet must be of the family. */
export function loadAddress(family: Family, side: Side, slot = 0): Expression {
  return payload('network', OFFSETS[family][side], family === 4 ? 4 : 16, slot)
}

/** The address lies (or with `not`, does not lie) in the prefix; the packet must be of its family. */
export function addressIn(side: Side, prefix: Prefix, { not = false } = {}): Expression[] {
  const { family } = prefix.address
  const network = networkOf(prefix).bytes
  if (prefix.length % 8 === 0 && prefix.length > 0) {
    const length = prefix.length / 8
    return [payload('network', OFFSETS[family][side], length), compare(network.slice(0, length), { not })]
  }
  return addressMasked(side, { family, bytes: network }, maskOf(family, prefix.length), { not })
}

/** The address equals (or with `not`, differs from) this one in the bits of the mask. */
export function addressMasked(
  side: Side,
  { family, bytes }: IpAddress,
  mask: IpAddress,
  { not = false } = {},
): Expression[] {
  const network = bytes.map((byte, at) => byte & (mask.bytes[at] as number))
  return [loadAddress(family, side), bitwise(mask.bytes), compare(network, { not })]
}

/** The address is (or with `not`, is not) one of these, ends included; the packet must be of their family. */
export function addressBetween(side: Side, first: IpAddress, last: IpAddress, { not = false } = {}): Expression[] {
  return [loadAddress(first.family, side), range(first.bytes, last.bytes, { not })]
}

/** The interface has (or with `not`, has not) this name, or a name that begins so. */
export function interfaceIs(
  which: 'inInterface' | 'outInterface',
  { name, isStart = false }: { readonly name: string; readonly isStart?: boolean },
  { not = false } = {},
): Expression[] {
  const bytes = nameBytes(name)
  return [meta(which), compare(isStart ? bytes.slice(0, encodeUtf8(name).length) : bytes, { not })]
}

export function interfaceInSet(which: 'inInterface' | 'outInterface', set: string): Expression[] {
  return [meta(which), lookup(set)]
}

/** The packet came in a frame to every host of its link: routers never forward such. */
export function isBroadcast(): Expression[] {
  return [meta('packetType'), compare(new Uint8Array([BROADCAST]))]
}

/** The connection's destination was rewritten. */
export function isDestinationRewritten(): Expression[] {
  return [ct('status'), bitwise(new Uint8Array([CT_STATUS.dnat, 0, 0, 0])), compare(new Uint8Array(4), { not: true })]
}

/** The packet goes the way of the connection's first one, or back. */
export function isDirection(direction: keyof typeof CT_DIRECTION): Expression[] {
  return [ct('direction'), compare(new Uint8Array([CT_DIRECTION[direction]]))]
}

/** The connection is in one of these states (CT_STATE, ored). */
export function isState(states: number): Expression[] {
  return [ct('state'), bitwise(new Uint8Array([states, 0, 0, 0])), compare(new Uint8Array(4), { not: true })]
}
