/** Chains (enum nft_chain_attributes, include/uapi/linux/netfilter/nf_tables.h). */

import { attributes } from '../codec/attributes.js'
import { type AttributeType, nested, text, u32be, u64be } from '../codec/types.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, type Request } from '../message.js'
import {
  familyAt,
  NFGEN_LENGTH,
  NFT_MSG_DELCHAIN,
  NFT_MSG_GETCHAIN,
  NFT_MSG_NEWCHAIN,
  nftRequest,
  type TableFamily,
  type TableName,
} from './message.js'
import { comment } from './user-data.js'

/** NF_INET_ and NF_BR_ hooks have the same numbers. */
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const
export type Hook = keyof typeof HOOKS

export type ChainKind = 'filter' | 'nat' | 'route'

/** Where and when a base chain sees packets. */
export interface BaseChain {
  readonly kind: ChainKind
  readonly hook: Hook
  /** Lower runs earlier. */
  readonly priority: number
  readonly policy: 'accept' | 'drop'
}

export interface ChainName extends TableName {
  readonly chain: string
}

export interface Chain {
  readonly family: TableFamily | undefined
  readonly table: string
  readonly name: string
  /** Undefined for a regular chain. */
  readonly base: (Omit<BaseChain, 'hook' | 'kind'> & { readonly hook: number; readonly kind: string }) | undefined
  /** Its rules, the rules that jump to it and the map elements whose verdict names it, together. */
  readonly use: number
  readonly comment: string
}

/** Signed and big-endian, alone among nf_tables' integers. */
const s32be: AttributeType<number> = {
  size: 4,
  write: (writer, value) => writer.u32be(value >>> 0),
  read: (reader, start) => reader.view.getInt32(start),
}

const hook = nested(attributes({ number: [1, u32be], priority: [2, s32be] }))

const chainAttributes = attributes({
  table: [1, text],
  handle: [2, u64be],
  name: [3, text],
  hook: [4, hook],
  policy: [5, u32be],
  use: [6, u32be],
  kind: [7, text],
  comment: [12, comment],
})

const NF_ACCEPT = 1

export function readChain({ reader, start, end }: Message): Chain {
  const a = chainAttributes.read(reader, start + NFGEN_LENGTH, end)
  const base =
    a.hook === undefined
      ? undefined
      : {
          kind: a.kind ?? '',
          hook: a.hook.number ?? 0,
          priority: a.hook.priority ?? 0,
          policy: a.policy === undefined || a.policy === NF_ACCEPT ? ('accept' as const) : ('drop' as const),
        }
  const family = familyAt(reader.bytes, start)
  return { family, table: a.table ?? '', name: a.name ?? '', base, use: a.use ?? 0, comment: a.comment ?? '' }
}

/** Whether a chain is where forwarded packets pass. */
export function isForwardChain({ base }: Chain): boolean {
  return base !== undefined && base.hook === HOOKS.forward
}

function chainText({ family, table, chain }: ChainName): string {
  return `chain ${family} ${table} ${chain}`
}

/** ENOENT where there is none. */
export function getChain(name: ChainName): Request {
  return nftRequest(
    NFT_MSG_GETCHAIN,
    0,
    name,
    () => `get ${chainText(name)}`,
    (writer) => chainAttributes.write(writer, { table: name.table, name: name.chain }),
  )
}

/** Every chain of a family, or of all. */
export function listChains(family?: TableFamily): Request {
  return nftRequest(
    NFT_MSG_GETCHAIN,
    0,
    family,
    () => 'list chains',
    () => {},
  )
}

export interface ChainOptions {
  readonly base?: BaseChain
  readonly comment?: string
  /** An existing one is taken as it is; otherwise EEXIST. */
  readonly shared?: boolean
}

export function addChain(name: ChainName, { base, comment: words, shared = false }: ChainOptions = {}): Request {
  return nftRequest(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE | (shared ? 0 : NLM_F_EXCL),
    name,
    () => `create ${chainText(name)}`,
    (writer) => {
      chainAttributes.write(writer, {
        table: name.table,
        name: name.chain,
        kind: base?.kind,
        policy: base === undefined ? undefined : base.policy === 'accept' ? NF_ACCEPT : 0,
        hook: base === undefined ? undefined : { number: HOOKS[base.hook], priority: base.priority },
        comment: words,
      })
    },
  )
}

/** With its rules. EBUSY while something else refers to it. */
export function deleteChain(name: ChainName): Request {
  return nftRequest(
    NFT_MSG_DELCHAIN,
    0,
    name,
    () => `delete ${chainText(name)}`,
    (writer) => chainAttributes.write(writer, { table: name.table, name: name.chain }),
  )
}
