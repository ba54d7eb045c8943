/** Rules of iptables-nft as nf_tables holds them: which of them lead where, and which refuse. */

import type { IpAddress } from '../ip/address.js'
import { eachAttribute, type Reader, readerOf } from '../netlink/codec/reader.js'
import { bareText, ip, text } from '../netlink/codec/types.js'
import type { Rule } from '../netlink/nftables/rule.js'
import { type Verdict, verdict } from '../netlink/nftables/verdict.js'

/** Those whose verdict is a jump to the chain. */
export function rulesLeadingTo(rules: readonly Rule[], chain: string): Rule[] {
  return rules.filter((rule) => targetOf(rule) === chain)
}

/** The chain that a rule's last immediate leads to; undefined where it leads to none. */
export function targetOf({ expressions }: Rule): string | undefined {
  let target: string | undefined
  eachExpression(expressions, (name, reader, start, end) => {
    const found = name === 'immediate' ? verdictOf(reader, start, end) : undefined
    if (found !== undefined && 'chain' in found) target = found.chain
  })
  return target
}

/** The text of `-m comment`; `''` where there is none. */
export function matchComment({ expressions }: Rule): string {
  let found = ''
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'match' || extension(reader, start, end) !== 'comment') return
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number === 3) found = bareText.read(reader, from, to) // NFTA_MATCH_INFO
    })
  })
  return found
}

/** What may stand in a rule and says nothing of which packets it is for. */
const INDIFFERENT = ['counter', 'log', 'notrack']
const REFUSALS = ['REJECT', 'DROP']

/** Whether the last rule drops or rejects every packet that it sees. */
export function endsInRefusal(rules: readonly Rule[]): boolean {
  const last = rules.at(-1)
  if (last === undefined) return false
  let refuses = false
  let isForAll = true
  eachExpression(last.expressions, (name, reader, start, end) => {
    if (name === 'reject') refuses = true
    else if (name === 'target') refuses ||= REFUSALS.includes(extension(reader, start, end))
    else if (name === 'immediate') refuses ||= verdictOf(reader, start, end)?.kind === 'drop'
    else if (name === 'match') isForAll &&= extension(reader, start, end) === 'comment'
    else if (!INDIFFERENT.includes(name)) isForAll = false
  })
  return refuses && isForAll
}

/** What a rule asks of a packet before it rewrites its destination; what it does not ask for is absent. */
export interface Asked {
  readonly protocol?: number
  readonly port?: number
  readonly destination?: Uint8Array
}

/** Undefined where the rule rewrites no destination. */
export function rewriteOf({ expressions }: Rule): Asked | undefined {
  let rewrites = false
  eachExpression(expressions, (name, reader, start, end) => {
    if (name === 'nat') rewrites = true
    else if (name === 'target') rewrites ||= extension(reader, start, end) === 'DNAT'
  })
  return rewrites ? askedBy(expressions) : undefined
}

/** A comparison of one byte is of the protocol, of two of the port, of a whole address here of the destination. */
function askedBy(expressions: Uint8Array): Asked {
  let asked: Asked = {}
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'cmp') return
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number !== 3) return // NFTA_CMP_DATA
      eachAttribute(reader, from, to, (_, at, until) => {
        const value = reader.bytes.slice(at, until)
        if (value.length === 1) asked = { ...asked, protocol: value[0] as number }
        else if (value.length === 2) asked = { ...asked, port: reader.view.getUint16(at) }
        else if (value.length === 4 || value.length === 16) asked = { ...asked, destination: value }
      })
    })
  })
  return asked
}

/** The ports that a rule asks for with `-m multiport --dports`. */
export function multiportOf({ expressions }: Rule): number[] {
  const ports: number[] = []
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'match' || extension(reader, start, end) !== 'multiport') return
    eachAttribute(reader, start, end, (number, from) => {
      if (number !== 3) return // NFTA_MATCH_INFO: struct xt_multiport_v1
      const count = reader.bytes[from + 1] as number
      for (let at = 0; at < count; at++) ports.push(reader.view.getUint16(from + 2 + at * 2, true))
    })
  })
  return ports
}

export function eachExpression(
  expressions: Uint8Array,
  visit: (name: string, reader: Reader, start: number, end: number) => void,
): void {
  const reader = readerOf(expressions)
  eachAttribute(reader, 0, expressions.length, (_, from, to) => {
    let name = ''
    eachAttribute(reader, from, to, (number, at, until) => {
      if (number === 1) name = text.read(reader, at, until)
      else if (number === 2) visit(name, reader, at, until)
    })
  })
}

/** The verdict of an immediate. */
export function verdictOf(reader: Reader, start: number, end: number): Verdict | undefined {
  let found: Verdict | undefined
  eachAttribute(reader, start, end, (number, from, to) => {
    if (number !== 2) return // NFTA_IMMEDIATE_DATA
    eachAttribute(reader, from, to, (kind, at, until) => {
      if (kind === 2) found = verdict.read(reader, at, until) // NFTA_DATA_VERDICT
    })
  })
  return found
}

/** The name of an extension of iptables: NFTA_MATCH_NAME and NFTA_TARGET_NAME have one number. */
export function extension(reader: Reader, start: number, end: number): string {
  let name = ''
  eachAttribute(reader, start, end, (number, from, to) => {
    if (number === 1) name = text.read(reader, from, to)
  })
  return name
}

/** The address that a rule accepts packets from or to, as iptables writes `-s` and `-d` of one address. */
export function acceptedAddress(rule: Rule): IpAddress | undefined {
  let address: IpAddress | undefined
  let accepts = false
  eachExpression(rule.expressions, (name, reader, start, end) => {
    if (name === 'cmp') {
      eachAttribute(reader, start, end, (number, from, to) => {
        if (number !== 3) return // NFTA_CMP_DATA
        eachAttribute(reader, from, to, (_, at, until) => {
          if (until - at === 4 || until - at === 16) address = ip.read(reader, at, until)
        })
      })
    } else if (name === 'immediate') accepts = verdictOf(reader, start, end)?.kind === 'accept'
  })
  return accepts ? address : undefined
}
