/** Rules (enum nft_rule_attributes, include/uapi/linux/netfilter/nf_tables.h). */

import { attributes } from '../codec/attributes.js'
import { type AttributeType, bytes, nested, text, u64be } from '../codec/types.js'
import { type Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_ECHO, type Request } from '../message.js'
import type { ChainName } from './chain.js'
import type { Expression } from './expression.js'
import { NFGEN_LENGTH, NFT_MSG_DELRULE, NFT_MSG_GETRULE, NFT_MSG_NEWRULE, nftRequest } from './message.js'
import { comment } from './user-data.js'

export interface Rule {
  readonly table: string
  readonly chain: string
  /** Never used again in its table. */
  readonly handle: number
  readonly comment: string
  /** The expressions as they came, attribute headers included. */
  readonly expressions: Uint8Array
}

/** One after the other; each writes its own list element. */
const expressions: AttributeType<readonly Expression[]> = nested<readonly Expression[]>({
  write(writer, value) {
    for (const expression of value) expression(writer)
  },
  read: () => [],
})

const written = attributes({
  table: [1, text],
  chain: [2, text],
  handle: [3, u64be],
  expressions: [4, expressions],
  comment: [7, comment],
})

const read = attributes({
  table: [1, text],
  chain: [2, text],
  handle: [3, u64be],
  expressions: [4, bytes],
  comment: [7, comment],
})

function ruleText({ family, table, chain }: ChainName): string {
  return `rule of ${family} ${table} ${chain}`
}

export interface RuleOptions {
  readonly comment?: string
  /** At the chain's beginning instead of its end. */
  readonly first?: boolean
  /** Have the kernel tell what it made: the handle. */
  readonly echo?: boolean
}

export function addRule(chain: ChainName, rule: readonly Expression[], options: RuleOptions = {}): Request {
  return nftRequest(
    NFT_MSG_NEWRULE,
    NLM_F_CREATE | (options.first === true ? 0 : NLM_F_APPEND) | (options.echo === true ? NLM_F_ECHO : 0),
    chain,
    () => `add ${ruleText(chain)}`,
    (writer) =>
      written.write(writer, {
        table: chain.table,
        chain: chain.chain,
        expressions: rule,
        comment: options.comment,
      }),
  )
}

/** The rule of this handle; without one, all rules of the chain. */
export function deleteRule(chain: ChainName, handle?: number): Request {
  return nftRequest(
    NFT_MSG_DELRULE,
    0,
    chain,
    () => `delete ${ruleText(chain)}${handle === undefined ? '' : ` handle ${handle}`}`,
    (writer) => written.write(writer, { table: chain.table, chain: chain.chain, handle }),
  )
}

/** ENOENT where there is none. */
export function getRule(chain: ChainName, handle: number): Request {
  return nftRequest(
    NFT_MSG_GETRULE,
    0,
    chain,
    () => `get ${ruleText(chain)}`,
    (writer) => written.write(writer, { table: chain.table, chain: chain.chain, handle }),
  )
}

/** Every rule of a chain, in order. */
export function listRules(chain: ChainName): Request {
  return nftRequest(
    NFT_MSG_GETRULE,
    0,
    chain,
    () => `list ${ruleText(chain)}`,
    (writer) => written.write(writer, { table: chain.table, chain: chain.chain }),
  )
}

/** Whether a message is about a rule. */
export function isRule({ type }: Message): boolean {
  return (type & 255) === NFT_MSG_NEWRULE
}

export function readRule({ reader, start, end }: Message): Rule {
  const a = read.read(reader, start + NFGEN_LENGTH, end)
  return {
    table: a.table ?? '',
    chain: a.chain ?? '',
    handle: a.handle ?? 0,
    comment: a.comment ?? '',
    expressions: a.expressions ?? new Uint8Array(),
  }
}
