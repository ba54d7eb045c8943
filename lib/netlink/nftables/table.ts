/** Tables (enum nft_table_attributes, include/uapi/linux/netfilter/nf_tables.h). */

import { attributes } from '../codec/attributes.js'
import { text, u32be, u64be } from '../codec/types.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, type Request } from '../message.js'
import {
  NFGEN_LENGTH,
  NFT_MSG_DELTABLE,
  NFT_MSG_GETTABLE,
  NFT_MSG_NEWTABLE,
  nftRequest,
  type TableName,
} from './message.js'
import { comment } from './user-data.js'

const tableAttributes = attributes({
  name: [1, text],
  flags: [2, u32be],
  use: [3, u32be],
  handle: [4, u64be],
  comment: [6, comment],
  owner: [7, u32be],
})

/** enum nft_table_flags. */
const NFT_TABLE_F_DORMANT = 1

export interface Table {
  readonly name: string
  /** Unlike the name it is never used again. */
  readonly handle: number
  /** How many chains, sets and maps it holds. */
  readonly use: number
  readonly comment: string
  /** Its base chains are off: packets pass as if it were not there. */
  readonly isDormant: boolean
  /** The netlink port of the process that alone may change it (NFT_TABLE_F_OWNER); undefined where everyone may. */
  readonly owner: number | undefined
}

export function readTable({ reader, start, end }: Message): Table {
  const {
    name = '',
    flags = 0,
    handle = 0,
    use = 0,
    comment: words = '',
    owner,
  } = tableAttributes.read(reader, start + NFGEN_LENGTH, end)
  return { name, handle, use, comment: words, isDormant: (flags & NFT_TABLE_F_DORMANT) !== 0, owner }
}

function tableText({ family, table }: TableName): string {
  return `table ${family} ${table}`
}

/** ENOENT where there is none. */
export function getTable(name: TableName): Request {
  return nftRequest(
    NFT_MSG_GETTABLE,
    0,
    name,
    () => `get ${tableText(name)}`,
    (writer) => tableAttributes.write(writer, { name: name.table }),
  )
}

/** EEXIST where there is one, unless `shared`: then it is taken as it is, and woken where it is dormant. */
export function addTable(name: TableName, words?: string, { shared = false } = {}): Request {
  return nftRequest(
    NFT_MSG_NEWTABLE,
    NLM_F_CREATE | (shared ? 0 : NLM_F_EXCL),
    name,
    () => `create ${tableText(name)}`,
    (writer) => tableAttributes.write(writer, { name: name.table, flags: 0, comment: words }),
  )
}

/** Removes a table and all it holds. ENOENT where there is none. */
export function deleteTable(name: TableName): Request {
  return nftRequest(
    NFT_MSG_DELTABLE,
    0,
    name,
    () => `delete ${tableText(name)}`,
    (writer) => tableAttributes.write(writer, { name: name.table }),
  )
}

export function isTableRemoval({ type }: Request): boolean {
  return (type & 255) === NFT_MSG_DELTABLE
}
