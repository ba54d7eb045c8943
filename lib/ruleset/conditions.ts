/**
 * Conditions on host ports (conditionsV4, conditionsV6): source, destination and interface, in iptables' words or nft's.
 *
 * A port under conditions leads through a gate to a chain that the conditions give its name, so that thousands of ports
 * under the same conditions share one; its maps are the chain's own.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { type Family, parseAddress } from '../ip/address.js'
import { hostPrefix, type Prefix, parsePrefix } from '../ip/prefix.js'
import type { Request } from '../netlink/message.js'
import { addChain } from '../netlink/nftables/chain.js'
import type { Expression } from '../netlink/nftables/expression.js'
import { addRule } from '../netlink/nftables/rule.js'
import { addSet } from '../netlink/nftables/set.js'
import { sha256Hex } from '../sys/text.js'
import { chainSet, HOST_PORTS, mapSpecs, rewriteBy } from './host-ports-table.js'
import { addressIn, interfaceIs, isFamily } from './match.js'

type Condition =
  | { readonly side: 'source' | 'destination'; readonly prefix: Prefix; readonly not: boolean }
  | { readonly side: 'interface'; readonly name: string; readonly not: boolean }

export interface Conditions {
  readonly family: Family
  /** The words, which a record keeps. */
  readonly words: readonly string[]
  readonly all: readonly Condition[]
}

/** The chain that conditions have for themselves. */
export function conditionsChain({ family, words }: Conditions): string {
  return `if${family}-${sha256Hex(words.join(' ')).slice(0, 12)}`
}

/** The chain with its maps; EEXIST where it is there. */
export function buildConditions(chain: string, { family, all }: Conditions): Request[] {
  const { name } = HOST_PORTS
  const specs = mapSpecs(family)
  const asked = all.flatMap((one): Expression[] =>
    one.side === 'interface' ? interfaceIs('inInterface', one.name, one) : addressIn(one.side, one.prefix, one),
  )
  const kinds = ['specific', 'any'] as const
  return [
    addChain({ ...name, chain }, { comment: `${kinds.length} conditions` }),
    ...kinds.map((kind) => addSet({ ...name, set: chainSet(chain, kind) }, specs[kind])),
    ...kinds.map((kind) =>
      addRule({ ...name, chain }, [...isFamily(family), ...asked, ...rewriteBy(family, kind, chainSet(chain, kind))]),
    ),
  ]
}

const IPTABLES: Record<string, Condition['side']> = {
  '-s': 'source',
  '--source': 'source',
  '--src': 'source',
  '-d': 'destination',
  '--destination': 'destination',
  '--dst': 'destination',
  '-i': 'interface',
  '--in-interface': 'interface',
}

/** Reads conditions of a family; code 7 for what is none of the three kinds. Undefined where there are none. */
export function parseConditions(key: string, family: Family, tokens: readonly string[]): Conditions | undefined {
  const words = tokens.flatMap((token) => token.split(' ')).filter((word) => word !== '')
  if (words.length === 0) return undefined
  const all: Condition[] = []
  let at = 0
  const next = () => words[at++] ?? ''
  const fail = (what: string) =>
    new CniError(
      ErrorCode.InvalidConfig,
      `invalid "${key}": ${what}`,
      'flatnet knows source (-s, ip saddr), destination (-d, ip daddr) and incoming interface (-i, iifname), each also negated (!, !=)',
    )
  while (at < words.length) {
    let word = next()
    let not = false
    if (word === '!') {
      not = true
      word = next()
    }
    let side = IPTABLES[word]
    const isNft = side === undefined
    if (side === undefined) {
      if (word === 'meta') word = next()
      if (word === (family === 4 ? 'ip' : 'ip6')) {
        const field = next()
        side = field === 'saddr' ? 'source' : field === 'daddr' ? 'destination' : undefined
        word = `${word} ${field}`
      } else if (word === 'iifname' || word === 'iif') side = 'interface'
    }
    if (side === undefined || (isNft && not)) throw fail(`"${word}" is no condition that flatnet knows`)
    let value = next()
    if (value === '!' && !isNft) {
      not = true
      value = next()
    }
    if (isNft && (value === '!=' || value === '==')) {
      not = value === '!='
      value = next()
    }
    all.push(readValue(side, unquoted(value), not, family, isNft, fail))
  }
  return { family, words, all }
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

function readValue(
  side: Condition['side'],
  value: string,
  not: boolean,
  family: Family,
  isNft: boolean,
  fail: (what: string) => CniError,
): Condition {
  if (side === 'interface') {
    const name = !isNft && value.endsWith('+') ? `${value.slice(0, -1)}*` : value
    if (name === '' || name === '*' || name.length > 15) throw fail(`"${value}" is no interface name`)
    return { side, name, not }
  }
  const address = parseAddress(value)
  const prefix = address === undefined ? parsePrefix(value) : hostPrefix(address)
  if (prefix === undefined || prefix.address.family !== family) {
    throw fail(`"${value}" is no IPv${family} address or prefix`)
  }
  return { side, prefix, not }
}
