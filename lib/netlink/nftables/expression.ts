/**
 * Expressions: the steps of a rule (enum nft_expr_attributes and those of each kind,
 * include/uapi/linux/netfilter/nf_tables.h). A step loads into, compares or uses slots: 32 bits each, 0 to 15, in which
 * a value of n bytes takes n/4 slots, rounded up.
 */

import { NLA_F_NESTED, text, writeAttribute } from '../codec/types.js'
import type { Writer } from '../codec/writer.js'
import { type Verdict, verdict as verdictType } from './verdict.js'

/** Appends itself to a rule being written. */
export type Expression = (writer: Writer) => void

function expression(name: string, body: (writer: Writer) => void): Expression {
  return (writer) => {
    const element = writer.open(1 | NLA_F_NESTED) // NFTA_LIST_ELEM
    writeAttribute(writer, 1, text, name)
    const data = writer.open(2 | NLA_F_NESTED)
    body(writer)
    writer.close(data)
    writer.close(element)
  }
}

function number(writer: Writer, attribute: number, value: number): void {
  const at = writer.open(attribute)
  writer.u32be(value)
  writer.close(at)
}

/** NFTA_DATA_VALUE inside `attribute`. */
function value(writer: Writer, attribute: number, data: Uint8Array): void {
  const outer = writer.open(attribute | NLA_F_NESTED)
  const inner = writer.open(1)
  writer.put(data)
  writer.close(inner)
  writer.close(outer)
}

/** NFT_REG_1 to 4 are four slots each, NFT_REG32_00 to 15 one; nft prefers the former where they fit. */
function register(slot: number): number {
  return (slot & 3) === 0 ? 1 + (slot >> 2) : 8 + slot
}

const META = { l4protocol: 16, family: 15, inInterface: 6, outInterface: 7, mark: 3, packetType: 19 } as const

/** Loads something about the packet: names take 16 bytes, a protocol, a family or a type of packet one, a mark 4. */
export function meta(key: keyof typeof META, slot = 0): Expression {
  return expression('meta', (writer) => {
    number(writer, 2, META[key])
    number(writer, 1, register(slot))
  })
}

/** Sets the packet's mark from a slot. */
export function setMark(slot = 0): Expression {
  return expression('meta', (writer) => {
    number(writer, 2, META.mark)
    number(writer, 3, register(slot))
  })
}

const BASES = { link: 0, network: 1, transport: 2 } as const

/** Loads `length` bytes at `offset` of a header. */
export function payload(base: keyof typeof BASES, offset: number, length: number, slot = 0): Expression {
  return expression('payload', (writer) => {
    number(writer, 1, register(slot))
    number(writer, 2, BASES[base])
    number(writer, 3, offset)
    number(writer, 4, length)
  })
}

/** PACKET_BROADCAST of include/uapi/linux/if_packet.h, as `packetType` loads it. */
export const BROADCAST = 1

const CT = { state: 0, direction: 1, status: 2 } as const
/** include/uapi/linux/netfilter/nf_conntrack_common.h; states are bits of their own in nf_tables. */
export const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8 } as const
export const CT_STATUS = { snat: 0x10, dnat: 0x20 } as const

/** IP_CT_DIR_, as `ct` loads it: one byte. */
export const CT_DIRECTION = { original: 0, reply: 1 } as const

/** Loads something about the connection: its direction takes a byte, all else 32 bits in host order. */
export function ct(key: keyof typeof CT, slot = 0): Expression {
  return expression('ct', (writer) => {
    number(writer, 2, CT[key])
    number(writer, 1, register(slot))
  })
}

/** RTN_LOCAL, as `destinationType` loads it: in host order. */
export const LOCAL = 2

/** Loads the type of route the destination has (fib daddr type). */
export function destinationType(slot = 0): Expression {
  const NFT_FIB_RESULT_ADDRTYPE = 3
  const NFTA_FIB_F_DADDR = 2
  return expression('fib', (writer) => {
    number(writer, 3, NFTA_FIB_F_DADDR)
    number(writer, 2, NFT_FIB_RESULT_ADDRTYPE)
    number(writer, 1, register(slot))
  })
}

/** Goes on where the slots equal (or with `not`, differ from) `data`. */
export function compare(data: Uint8Array, { slot = 0, not = false } = {}): Expression {
  return expression('cmp', (writer) => {
    number(writer, 1, register(slot))
    number(writer, 2, not ? 1 : 0)
    value(writer, 3, data)
  })
}

/** Goes on where the slots are (or with `not`, are not) between two values of one length, ends included. */
export function range(first: Uint8Array, last: Uint8Array, { slot = 0, not = false } = {}): Expression {
  return expression('range', (writer) => {
    number(writer, 1, register(slot))
    number(writer, 2, not ? 1 : 0)
    value(writer, 3, first)
    value(writer, 4, last)
  })
}

/** Masks the slots in place: `slot = (slot & mask) ^ xor`. */
export function bitwise(mask: Uint8Array, { slot = 0, xor = new Uint8Array(mask.length) } = {}): Expression {
  return expression('bitwise', (writer) => {
    number(writer, 1, register(slot))
    number(writer, 2, register(slot))
    number(writer, 3, mask.length)
    value(writer, 4, mask)
    value(writer, 5, xor)
  })
}

/** Goes on where the set holds the key in `slot`; of a map, loads the value `into` a slot or acts on its verdict. */
export function lookup(
  set: string,
  { slot = 0, into }: { readonly slot?: number; readonly into?: number | 'verdict' } = {},
): Expression {
  return expression('lookup', (writer) => {
    number(writer, 2, register(slot))
    if (into !== undefined) number(writer, 3, into === 'verdict' ? 0 : register(into))
    writeAttribute(writer, 1, text, set)
  })
}

/** Puts bytes into slots. */
export function immediate(data: Uint8Array, slot = 0): Expression {
  return expression('immediate', (writer) => {
    number(writer, 1, register(slot))
    value(writer, 2, data)
  })
}

export function verdict(to: Verdict): Expression {
  return expression('immediate', (writer) => {
    number(writer, 1, 0) // NFT_REG_VERDICT
    const data = writer.open(2 | NLA_F_NESTED)
    writeAttribute(writer, 2, verdictType, to)
    writer.close(data)
  })
}

/** NF_NAT_RANGE_PROTO_RANDOM_FULLY: without it two connections may race for one port. */
const FULLY_RANDOM = 16

export interface NatOptions {
  readonly family: 4 | 6
  /** The slot of the address. */
  readonly address: number
  /** The slot of the port, 16 bits big-endian. */
  readonly port?: number
  readonly fullyRandom?: boolean
}

/** Rewrites source or destination from slots. */
export function nat(kind: 'snat' | 'dnat', { family, address, port, fullyRandom = false }: NatOptions): Expression {
  return expression('nat', (writer) => {
    number(writer, 1, kind === 'snat' ? 0 : 1)
    number(writer, 2, family === 4 ? 2 : 10)
    number(writer, 3, register(address))
    if (port !== undefined) number(writer, 5, register(port))
    if (fullyRandom) number(writer, 7, FULLY_RANDOM)
  })
}

/** Rewrites the source to the address of the interface the packet leaves by. */
export function masquerade({ fullyRandom = false } = {}): Expression {
  return expression('masq', (writer) => {
    if (fullyRandom) number(writer, 1, FULLY_RANDOM)
  })
}

/** Counts packets and bytes, as every rule of iptables does. */
export function counter(): Expression {
  return expression('counter', (writer) => {
    for (const attribute of [1, 2]) {
      const at = writer.open(attribute)
      writer.zeros(8)
      writer.close(at)
    }
  })
}

/** Refuses with an ICMP or ICMPv6 "administratively prohibited", whatever the family. */
export function reject(): Expression {
  const NFT_REJECT_ICMPX_UNREACH = 2
  const NFT_REJECT_ICMPX_ADMIN_PROHIBITED = 3
  return expression('reject', (writer) => {
    number(writer, 1, NFT_REJECT_ICMPX_UNREACH)
    const at = writer.open(2)
    writer.u8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
    writer.close(at)
  })
}

/** A match of xtables by name, revision and its own structure (iptables' form of what nf_tables has no word for). */
export function xtMatch(name: string, revision: number, info: Uint8Array): Expression {
  return expression('match', (writer) => {
    writeAttribute(writer, 1, text, name)
    number(writer, 2, revision)
    const at = writer.open(3)
    writer.put(info)
    writer.close(at)
  })
}
