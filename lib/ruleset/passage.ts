/**
 * Whether a chain that drops could let pass what pods send. Of the rules of others only some conditions can be read, so
 * every rule that accepts counts, unless one of its conditions excludes what pods send for certain.
 */

import type { Family } from '../ip/address.js'
import { overlaps, type Prefix } from '../ip/prefix.js'
import { findAttribute, type Reader } from '../netlink/codec/reader.js'
import { u32be } from '../netlink/codec/types.js'
import type { ChainName } from '../netlink/nftables/chain.js'
import { CT_STATE, CT_STATUS } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import type { Rule } from '../netlink/nftables/rule.js'
import type { Verdict } from '../netlink/nftables/verdict.js'
import { encodeUtf8 } from '../sys/text.js'
import { type Comparison, comparisonsOf, prefixOf, xtStatesOf } from './asked-of-packet.js'
import { NFPROTO } from './match.js'
import { eachExpression, extension, verdictOf } from './reference-iptables.js'

export interface Named {
  readonly name: string
  readonly index: number
}

/** Whose packets these are, of one family. */
export interface Senders {
  readonly family: Family
  /** The addresses they send from. */
  readonly prefixes: readonly Prefix[]
  /** What their packets come to the host by; -1 where it has no index yet. */
  readonly link: Named
  /** Where their packets may leave, asked for only where a rule names it. */
  exits(): readonly Named[]
}

export function couldPass(nft: Nftables, chain: ChainName, senders: Senders): boolean {
  const seen = new Set<string>()
  const leadsToAccept = (name: string): boolean => {
    if (seen.has(name)) return false
    seen.add(name)
    return nft.rules({ ...chain, chain: name }).some((rule) => {
      const end = endOf(rule)
      if (end === undefined || !isFor(rule, senders)) return false
      return end === 'unknown' || !('chain' in end) || leadsToAccept(end.chain)
    })
  }
  return leadsToAccept(chain.chain)
}

/** Where a rule lets packets pass: it accepts, it leads to another chain, or to what cannot be followed. */
function endOf({ expressions }: Rule): Verdict | 'unknown' | undefined {
  let end: Verdict | 'unknown' | undefined
  eachExpression(expressions, (name, reader, start, until) => {
    if (name === 'immediate') {
      const verdict = verdictOf(reader, start, until)
      if (verdict !== undefined && ['accept', 'jump', 'goto'].includes(verdict.kind)) end = verdict
    } else if (name === 'queue' || (name === 'target' && extension(reader, start, until) === 'NFQUEUE')) {
      end = 'unknown' // a program decides
    } else if (name === 'lookup' && readsVerdict(reader, start, until)) end = 'unknown'
  })
  return end
}

/** A lookup in a map of verdicts has NFT_REG_VERDICT as its destination. */
function readsVerdict(reader: Reader, start: number, end: number): boolean {
  const to = findAttribute(reader, start, end, 3) // NFTA_LOOKUP_DREG
  return to !== undefined && u32be.read(reader, to[0], to[1]) === 0
}

/** XT_CONNTRACK_STATE_ of linux/netfilter/xt_conntrack.h: NEW and UNTRACKED. */
const XT_FRESH = 8 | 256
/** The same of nf_tables (NF_CT_STATE_UNTRACKED_BIT). */
const FRESH = CT_STATE.new | 64

/**
 * What a condition says of the senders. `never`: no packet of a new connection of theirs meets it; `not-from`: none that
 * they send does; `towards`: it names them as destination.
 */
type Bearing = 'never' | 'not-from' | 'towards' | 'open'

/** Whether a rule could be for what the senders send, or names them as destination: that is meant for them, too. */
function isFor(rule: Rule, senders: Senders): boolean {
  const states = xtStatesOf(rule)
  if (states !== undefined && (states & XT_FRESH) === 0) return false
  const bearings = comparisonsOf(rule, senders.family).map((one) => bearingOf(one, senders))
  if (bearings.includes('never')) return false
  return bearings.includes('towards') || !bearings.includes('not-from')
}

/** ICMP alone is no connection: firewalls let it pass that refuse all else (ufw). */
const ICMP = [1, 58]

function bearingOf(asked: Comparison, senders: Senders): Bearing {
  const { subject, value, mask, not } = asked
  const byte = value[0] ?? 0
  switch (subject) {
    case 'family':
      return (byte === NFPROTO[senders.family]) === not ? 'never' : 'open'
    case 'protocol':
      return ICMP.includes(byte) && !not ? 'never' : 'open'
    case 'state':
    case 'status':
      return bearingOfConnection(asked)
    case 'source':
    case 'destination':
      return bearingOfAddress(asked, senders)
    default: {
      if (mask !== undefined) return 'open'
      const isIt = (link: Named) => (subject.endsWith('Index') ? hasIndex(link, value) : hasName(link, value))
      if (subject.startsWith('in')) return isIt(senders.link) === not ? 'not-from' : 'open'
      if (not) return 'open'
      if (isIt(senders.link)) return 'towards'
      return senders.exits().some(isIt) ? 'open' : 'never'
    }
  }
}

/** A new connection is in none of the other states, and only some have their destination rewritten. */
function bearingOfConnection({ subject, value, mask, not }: Comparison): Bearing {
  // A masked value is compared with zero: any of the mask's bits is set.
  if ((mask === undefined) === not) return 'open'
  if (mask !== undefined && value.some((byte) => byte !== 0)) return 'open'
  const bits = (mask ?? value)[0] ?? 0
  const isOther = subject === 'state' ? (bits & FRESH) === 0 : bits === CT_STATUS.dnat
  return isOther ? 'never' : 'open'
}

function bearingOfAddress(asked: Comparison, { family, prefixes }: Senders): Bearing {
  const named = prefixOf(asked, family)
  if (named === undefined) return 'open'
  if (asked.subject === 'destination') {
    const isTheirs = named.length > 0 && prefixes.some((own) => overlaps(own, named))
    return isTheirs && !asked.not ? 'towards' : 'open'
  }
  const excludes = asked.not
    ? prefixes.every((own) => overlaps(own, named) && named.length <= own.length)
    : !prefixes.some((own) => overlaps(own, named))
  return excludes ? 'not-from' : 'open'
}

function hasIndex({ index }: Named, value: Uint8Array): boolean {
  return value.length === 4 && new DataView(value.buffer, value.byteOffset).getInt32(0, true) === index
}

/** A name with its NUL, or the start of one (`cni+`, `cni*`). */
function hasName({ name }: Named, value: Uint8Array): boolean {
  const bytes = encodeUtf8(`${name}\0`)
  return value.every((byte, at) => byte === (bytes[at] ?? 0))
}
