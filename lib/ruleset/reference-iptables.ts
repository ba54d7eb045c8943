/** Rules of iptables-nft as nf_tables holds them: which of them lead where. */

import type { IpAddress } from '../ip/address.js'
import { eachAttribute, readerOf } from '../netlink/codec/reader.js'
import { bareText, ip, text } from '../netlink/codec/types.js'
import type { Rule } from '../netlink/nftables/rule.js'
import { verdict } from '../netlink/nftables/verdict.js'

/** Those whose verdict is a jump to the chain. */
export function rulesLeadingTo(rules: readonly Rule[], chain: string): Rule[] {
  return rules.filter((rule) => targetOf(rule) === chain)
}

/** The chain that a rule's last immediate leads to; undefined where it leads to none. */
export function targetOf({ expressions }: Rule): string | undefined {
  let target: string | undefined
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'immediate') return
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number !== 2) return // NFTA_IMMEDIATE_DATA
      eachAttribute(reader, from, to, (kind, at, until) => {
        if (kind !== 2) return // NFTA_DATA_VERDICT
        const found = verdict.read(reader, at, until)
        if ('chain' in found) target = found.chain
      })
    })
  })
  return target
}

/** The text of `-m comment`; `''` where there is none. */
export function matchComment({ expressions }: Rule): string {
  let found = ''
  eachExpression(expressions, (name, reader, start, end) => {
    if (name !== 'match') return
    let kind = ''
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number === 1) kind = text.read(reader, from, to)
      else if (number === 3 && kind === 'comment') found = bareText.read(reader, from, to)
    })
  })
  return found
}

type Reader = ReturnType<typeof readerOf>

function eachExpression(
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
    } else if (name === 'immediate') {
      eachAttribute(reader, start, end, (number, from, to) => {
        if (number !== 2) return
        eachAttribute(reader, from, to, (kind, at, until) => {
          if (kind === 2) accepts = verdict.read(reader, at, until).kind === 'accept'
        })
      })
    }
  })
  return accepts ? address : undefined
}
