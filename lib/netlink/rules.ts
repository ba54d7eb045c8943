/** Policy routing: which table a packet is looked up in (struct fib_rule_hdr and FRA_, linux/fib_rules.h). */

import type { Family } from '../ip/address.js'
import { formatPrefix, type Prefix } from '../ip/prefix.js'
import { attributes } from './codec/attributes.js'
import { ip, text, u8, u32 } from './codec/types.js'
import type { Writer } from './codec/writer.js'
import { familyNumber, familyOf } from './family.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, type Request } from './message.js'
import type { NetlinkSocket } from './socket.js'

const RTM_NEWRULE = 32
const RTM_DELRULE = 33
const RTM_GETRULE = 34
const HEADER = 12

const FIB_RULE_INVERT = 2

/** FR_ACT_. */
const ACTIONS = { table: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const
export type RuleAction = keyof typeof ACTIONS

const ruleAttributes = attributes({
  to: [1, ip],
  from: [2, ip],
  iif: [3, text],
  goto: [4, u32],
  priority: [6, u32],
  mark: [10, u32],
  suppressPrefixLength: [14, u32],
  table: [15, u32],
  markMask: [16, u32],
  oif: [17, text],
  protocol: [21, u8],
})

export interface Rule {
  readonly family: Family
  readonly from?: Prefix | undefined
  readonly to?: Prefix | undefined
  /** Name of the link the packet came in by. */
  readonly iif?: string | undefined
  /** Name of the link the packet's socket is bound to. */
  readonly oif?: string | undefined
  readonly mark?: number | undefined
  /** Default: all bits. */
  readonly markMask?: number | undefined
  /** Everything the rule does not match. */
  readonly invert?: boolean | undefined
  /** Lower comes first; the kernel chooses where absent. */
  readonly priority?: number | undefined
  /** Default `table`. */
  readonly action?: RuleAction | undefined
  readonly table?: number | undefined
  /** Ignore what the table says where the route's prefix is this long or shorter. */
  readonly suppressPrefixLength?: number | undefined
  /** Who made it, as with routes. Default 3, boot. */
  readonly protocol?: number | undefined
}

export interface RuleFilter {
  /** Default: both. */
  readonly family?: Family | undefined
  readonly table?: number | undefined
  readonly protocol?: number | undefined
  readonly priority?: number | undefined
}

function describe(rule: Rule): string {
  const parts = [rule.priority === undefined ? 'rule' : `rule ${rule.priority}`]
  if (rule.from !== undefined) parts.push(`from ${formatPrefix(rule.from)}`)
  if (rule.to !== undefined) parts.push(`to ${formatPrefix(rule.to)}`)
  if (rule.markMask !== undefined) parts.push(`fwmark ${rule.mark ?? 0}/0x${rule.markMask.toString(16)}`)
  if (rule.table !== undefined) parts.push(`table ${rule.table}`)
  return parts.join(' ')
}

/** family, dst_len, src_len, tos, table, two reserved, action, flags. */
function writeRule(writer: Writer, rule: Rule, action: number, protocol: number | undefined): void {
  const { from, to, table, iif, oif, priority, mark, markMask, suppressPrefixLength } = rule
  writer.u8(familyNumber(rule.family))
  writer.u8(to?.length ?? 0)
  writer.u8(from?.length ?? 0)
  writer.u8(0)
  writer.u8(table !== undefined && table < 256 ? table : 0) // the whole number is an attribute
  writer.u16(0)
  writer.u8(action)
  writer.u32(rule.invert === true ? FIB_RULE_INVERT : 0)
  ruleAttributes.write(writer, {
    to: to?.address,
    from: from?.address,
    iif,
    oif,
    priority,
    mark,
    markMask,
    suppressPrefixLength,
    table,
    protocol,
  })
}

/** EEXIST where there is one like it. */
export function addRule(rule: Rule): Request {
  return {
    type: RTM_NEWRULE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    about: () => `add ${describe(rule)}`,
    write: (writer) => writeRule(writer, rule, ACTIONS[rule.action ?? 'table'], rule.protocol ?? 3),
  }
}

/** Removes the first rule that has everything given; ENOENT where there is none. */
export function removeRule(rule: Rule): Request {
  return {
    type: RTM_DELRULE,
    flags: 0,
    about: () => `remove ${describe(rule)}`,
    write: (writer) => writeRule(writer, rule, rule.action === undefined ? 0 : ACTIONS[rule.action], rule.protocol),
  }
}

/** The kernel has no filter for rules but the family. */
export function listRules(family: Family | undefined): Request {
  return {
    type: RTM_GETRULE,
    flags: 0,
    about: () => 'list rules',
    write(writer) {
      writer.u32(familyNumber(family))
      writer.zeros(8)
    },
  }
}

/** Reads RTM_NEWRULE; undefined for what is neither IPv4 nor IPv6. */
export function readRule({ reader, start, end }: Message): Rule | undefined {
  const { bytes, view } = reader
  const family = familyOf(bytes[start] as number)
  if (family === undefined) return undefined
  const a = ruleAttributes.read(reader, start + HEADER, end)
  const number = bytes[start + 7] as number
  return {
    family,
    to: a.to === undefined ? undefined : { address: a.to, length: bytes[start + 1] as number },
    from: a.from === undefined ? undefined : { address: a.from, length: bytes[start + 2] as number },
    iif: a.iif,
    oif: a.oif,
    mark: a.mark,
    markMask: a.markMask,
    invert: (view.getUint32(start + 8, true) & FIB_RULE_INVERT) !== 0,
    priority: a.priority ?? 0,
    action: (Object.keys(ACTIONS) as RuleAction[]).find((name) => ACTIONS[name] === number),
    table: a.table ?? (bytes[start + 4] as number),
    suppressPrefixLength: a.suppressPrefixLength === 0xffffffff ? undefined : a.suppressPrefixLength,
    protocol: a.protocol,
  }
}

export class Rules {
  constructor(private readonly socket: NetlinkSocket) {}

  /** Throws NetlinkError EEXIST where there is one like it. */
  add(rule: Rule): void {
    this.socket.request(addRule(rule))
  }

  /** Throws NetlinkError ENOENT where there is none. */
  remove(rule: Rule): void {
    this.socket.request(removeRule(rule))
  }

  list({ family, table, protocol, priority }: RuleFilter = {}): Rule[] {
    return this.socket.dump(listRules(family), (message) => {
      const rule = readRule(message)
      if (rule === undefined) return undefined
      if (table !== undefined && rule.table !== table) return undefined
      if (protocol !== undefined && rule.protocol !== protocol) return undefined
      return priority === undefined || rule.priority === priority ? rule : undefined
    })
  }
}
