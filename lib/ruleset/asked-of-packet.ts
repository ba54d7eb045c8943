/**
 * What a rule that somebody else wrote asks of a packet, as far as it can be read: each comparison with what was loaded for
 * it. What cannot be read is left out, so a rule asks for this at least.
 */

import type { Family, IpAddress } from '../ip/address.js'
import type { Prefix } from '../ip/prefix.js'
import { attributes } from '../netlink/codec/attributes.js'
import { eachAttribute, type Reader } from '../netlink/codec/reader.js'
import { bytes, nested, u32be } from '../netlink/codec/types.js'
import type { Rule } from '../netlink/nftables/rule.js'
import { OFFSETS } from './match.js'
import { eachExpression, extension } from './reference-iptables.js'

export type Subject =
  | 'family'
  | 'protocol'
  | 'inName'
  | 'outName'
  | 'inIndex'
  | 'outIndex'
  | 'source'
  | 'destination'
  | 'state'
  | 'status'

export interface Comparison {
  readonly subject: Subject
  readonly value: Uint8Array
  /** What the packet's value is masked with before. */
  readonly mask: Uint8Array | undefined
  readonly not: boolean
}

/** Keys of meta and ct (enum nft_meta_keys, enum nft_ct_keys). */
const META: Readonly<Record<number, Subject>> = {
  4: 'inIndex',
  5: 'outIndex',
  6: 'inName',
  7: 'outName',
  15: 'family',
  16: 'protocol',
}
const CT: Readonly<Record<number, Subject>> = { 0: 'state', 2: 'status' }

const loads = attributes({ into: [1, u32be], key: [2, u32be] })
const loadsPayload = attributes({ into: [1, u32be], base: [2, u32be], offset: [3, u32be], length: [4, u32be] })
const data = nested(attributes({ value: [1, bytes] }))
const compares = attributes({ from: [1, u32be], operation: [2, u32be], data: [3, data] })
const masks = attributes({ from: [1, u32be], into: [2, u32be], mask: [4, data], xor: [5, data] })

interface Loaded {
  readonly subject: Subject
  readonly mask?: Uint8Array
}

/** Steps that load nothing. */
const LOAD_NOTHING = ['immediate', 'counter', 'log', 'limit', 'match', 'target', 'reject', 'notrack']
const EQUAL = 0
const NOT_EQUAL = 1

/** Addresses are read as those of `family`, which the packet is of. */
export function comparisonsOf({ expressions }: Rule, family: Family): Comparison[] {
  const found: Comparison[] = []
  const slots = new Map<number, Loaded>()
  const load = (register: number | undefined, subject: Subject | undefined) => {
    // Registers overlap, so what cannot be followed clears them all.
    if (register === undefined || subject === undefined) slots.clear()
    else slots.set(slotOf(register), { subject })
  }
  eachExpression(expressions, (name, reader, start, end) => {
    if (name === 'meta' || name === 'ct') {
      const { into, key = -1 } = loads.read(reader, start, end)
      load(into, (name === 'meta' ? META : CT)[key])
    } else if (name === 'payload') {
      const { into, base, offset = 0, length = 0 } = loadsPayload.read(reader, start, end)
      load(into, base === 1 ? headerField(family, offset, length) : undefined)
    } else if (name === 'bitwise') {
      const { from = 0, into = 0, mask, xor } = masks.read(reader, start, end)
      const loaded = slots.get(slotOf(from))
      const isMask = mask?.value !== undefined && (xor?.value ?? []).every((byte) => byte === 0)
      if (loaded === undefined || loaded.mask !== undefined || !isMask) slots.clear()
      else slots.set(slotOf(into), { ...loaded, mask: mask.value })
    } else if (name === 'cmp') {
      const { from = 0, operation = EQUAL, data: to } = compares.read(reader, start, end)
      const loaded = slots.get(slotOf(from))
      if (loaded === undefined || to?.value === undefined || operation > NOT_EQUAL) return
      found.push({ subject: loaded.subject, mask: loaded.mask, value: to.value, not: operation === NOT_EQUAL })
    } else if (!LOAD_NOTHING.includes(name)) slots.clear()
  })
  return found
}

/** NFT_REG_1 to 4 are four slots each, NFT_REG32_00 and up one. */
function slotOf(register: number): number {
  return register <= 4 ? (register - 1) * 4 : register - 8
}

/** Offset of the protocol in struct iphdr, of the next header in struct ipv6hdr. */
const PROTOCOL = { 4: 9, 6: 6 } as const

function headerField(family: Family, offset: number, length: number): Subject | undefined {
  if (offset === PROTOCOL[family] && length === 1) return 'protocol'
  if (length > (family === 4 ? 4 : 16)) return undefined
  if (offset === OFFSETS[family].source) return 'source'
  return offset === OFFSETS[family].destination ? 'destination' : undefined
}

/** The prefix that an address is compared with; undefined where it is no prefix. */
export function prefixOf({ value, mask }: Comparison, family: Family): Prefix | undefined {
  if (value.length > (family === 4 ? 4 : 16)) return undefined // more than the address is compared
  const address: IpAddress = { family, bytes: new Uint8Array(family === 4 ? 4 : 16) }
  address.bytes.set(value)
  if (mask === undefined) return { address, length: value.length * 8 }
  let length = 0
  let isOver = false
  for (const byte of mask) {
    for (let bit = 128; bit >= 1; bit >>= 1) {
      if ((byte & bit) === 0) isOver = true
      else if (isOver) return undefined
      else length++
    }
  }
  return { address, length }
}

/** The states that `-m conntrack --ctstate` asks for (XT_CONNTRACK_STATE_); undefined where it asks for none, or negated. */
export function xtStatesOf({ expressions }: Rule): number | undefined {
  let states: number | undefined
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'match' || extension(reader, start, end) !== 'conntrack') return
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number === 3) states = xtStates(reader, from, to) ?? states // NFTA_MATCH_INFO
    })
  })
  return states
}

/** struct xt_conntrack_mtinfo2 and 3: flags, negated flags, states. */
function xtStates(reader: Reader, from: number, to: number): number | undefined {
  if (to - from < 154) return undefined
  const [asked, negated] = [reader.view.getUint16(from + 146, true), reader.view.getUint16(from + 148, true)]
  return (asked & ~negated & 1) === 0 ? undefined : reader.view.getUint16(from + 150, true)
}
