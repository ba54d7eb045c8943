/**
 * Conditions on host ports (conditionsV4, conditionsV6): source, destination and interface, in iptables' words or nft's.
 *
 * A port under conditions leads through a gate to a chain that the conditions give its name, so that thousands of ports
 * under the same conditions share one; its maps are the chain's own.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Family } from '../ip/address.js'
import type { Request } from '../netlink/message.js'
import { addChain } from '../netlink/nftables/chain.js'
import type { Expression } from '../netlink/nftables/expression.js'
import { addRule } from '../netlink/nftables/rule.js'
import { addSet } from '../netlink/nftables/set.js'
import { sha256Hex } from '../sys/text.js'
import { type Condition, waysToMeet } from './condition.js'
import { chainSet, HOST_PORTS, mapSpecs, rewriteBy } from './host-ports-table.js'
import { readIptables } from './iptables-words.js'
import { isFamily } from './match.js'
import { readNft } from './nft-words.js'

export interface Conditions {
  readonly family: Family
  /** The words, which a record keeps. */
  readonly words: readonly string[]
  readonly all: readonly Condition[]
}

/** A packet is asked all of a chain's rules in turn, so there may not be any number of them. */
const MOST_RULES = 1000

const KINDS = ['specific', 'any'] as const

/** The chain that conditions have for themselves. */
export function conditionsChain({ family, words }: Pick<Conditions, 'family' | 'words'>): string {
  return `if${family}-${sha256Hex(words.join(' ')).slice(0, 12)}`
}

/** The chain with its maps; EEXIST where it is there. */
export function buildConditions(chain: string, { family, all }: Conditions): Request[] {
  const { name } = HOST_PORTS
  const specs = mapSpecs(family)
  const rules = combinations(all).flatMap((asked) =>
    KINDS.map((kind) => [...isFamily(family), ...asked, ...rewriteBy(family, kind, chainSet(chain, kind))]),
  )
  return [
    addChain({ ...name, chain }, { comment: `${rules.length} conditions` }),
    ...KINDS.map((kind) => addSet({ ...name, set: chainSet(chain, kind) }, specs[kind])),
    ...rules.map((rule) => addRule({ ...name, chain }, rule)),
  ]
}

/** nf_tables knows no "or" in a rule, so each way to meet all conditions is a rule of its own, as in iptables. */
function combinations(all: readonly Condition[]): Expression[][] {
  return all.reduce<Expression[][]>(
    (begun, condition) => {
      const ways = waysToMeet(condition)
      return begun.flatMap((start) => ways.map((way) => [...start, ...way]))
    },
    [[]],
  )
}

/** Reads conditions of a family; code 7 for what is none of the three kinds. Undefined where there are none. */
export function parseConditions(key: string, family: Family, tokens: readonly string[]): Conditions | undefined {
  const words = tokens.flatMap((token) => token.split(' ')).filter((word) => word !== '')
  const [first] = words
  if (first === undefined) return undefined
  const fail = (what: string) =>
    new CniError(
      ErrorCode.InvalidConfig,
      `invalid "${key}": ${what}`,
      'flatnet knows source (-s, ip saddr), destination (-d, ip daddr) and incoming interface (-i, iifname), each also negated (!, !=)',
    )
  const read = first.startsWith('-') || first === '!' ? readIptables : readNft
  const all = read(words, family, fail)
  if (all.some(excludesEverything)) throw fail('no packet can meet it, because it excludes all addresses')
  const rules = all.reduce<number>((n, { not, alternatives }) => n * (not ? 1 : alternatives.length), KINDS.length)
  if (rules > MOST_RULES) throw fail(`its lists combine to ${rules} rules, and ${MOST_RULES} are the most`)
  return { family, words, all }
}

function excludesEverything({ side, not, alternatives }: Condition): boolean {
  return side !== 'interface' && not && alternatives.some((one) => 'prefix' in one && one.prefix.length === 0)
}
