/** What rules ask of a packet, in the steps of nf_tables. */

import type { Family } from '../ip/address.js'
import { maskOf, networkOf, type Prefix } from '../ip/prefix.js'
import {
  bitwise,
  CT_DIRECTION,
  CT_STATUS,
  compare,
  ct,
  type Expression,
  lookup,
  meta,
  payload,
} from '../netlink/nftables/expression.js'
import { nameBytes } from './key.js'

/** NFPROTO_, as `meta nfproto` loads it. */
const NFPROTO = { 4: 2, 6: 10 } as const
/** Offsets in struct iphdr and struct ipv6hdr. */
const OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const

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
  const masked = bitwise(maskOf(family, prefix.length).bytes)
  return [loadAddress(family, side), masked, compare(network, { not })]
}

/** The interface has (or with `not`, has not) this name; a final `*` stands for any rest. */
export function interfaceIs(which: 'inInterface' | 'outInterface', name: string, { not = false } = {}): Expression[] {
  const star = name.endsWith('*')
  const bytes = star ? nameBytes(name.slice(0, -1)).slice(0, name.length - 1) : nameBytes(name)
  return [meta(which), compare(bytes, { not })]
}

export function interfaceInSet(which: 'inInterface' | 'outInterface', set: string): Expression[] {
  return [meta(which), lookup(set)]
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
