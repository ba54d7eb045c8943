/** struct nfgenmsg and what every nf_tables request has in common (include/uapi/linux/netfilter/nfnetlink.h). */

import type { Writer } from '../codec/writer.js'
import type { Request } from '../message.js'

/** An nf_tables family by nft's name, as NFPROTO_ (include/uapi/linux/netfilter.h). */
export const FAMILIES = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const
export type TableFamily = keyof typeof FAMILIES

/** Length of struct nfgenmsg: family, version, res_id. */
export const NFGEN_LENGTH = 4

const NFNL_SUBSYS_NFTABLES = 10

/** NFT_MSG_, include/uapi/linux/netfilter/nf_tables.h */
export const NFT_MSG_NEWTABLE = 0
export const NFT_MSG_GETTABLE = 1
export const NFT_MSG_DELTABLE = 2
export const NFT_MSG_NEWCHAIN = 3
export const NFT_MSG_GETCHAIN = 4
export const NFT_MSG_DELCHAIN = 5
export const NFT_MSG_NEWRULE = 6
export const NFT_MSG_GETRULE = 7
export const NFT_MSG_DELRULE = 8
export const NFT_MSG_NEWSET = 9
export const NFT_MSG_GETSET = 10
export const NFT_MSG_DELSET = 11
export const NFT_MSG_NEWSETELEM = 12
export const NFT_MSG_GETSETELEM = 13
export const NFT_MSG_DELSETELEM = 14
export const NFT_MSG_GETGEN = 16

/** A table of a family; everything else in nf_tables is found from one. */
export interface TableName {
  readonly family: TableFamily
  readonly table: string
}

export interface NftRequest extends Request {
  /** What it is about belongs to this table; absent where it is about all of them. */
  readonly table: TableName | undefined
}

/** A request of the nf_tables subsystem, about a table, a family or all; `write` appends the attributes. */
export function nftRequest(
  message: number,
  flags: number,
  of: TableName | TableFamily | undefined,
  about: () => string,
  write: (writer: Writer) => void,
): NftRequest {
  const table = typeof of === 'string' ? undefined : of
  const family = typeof of === 'string' ? of : of?.family
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | message,
    flags,
    table,
    about,
    write(writer) {
      writeNfgen(writer, family === undefined ? 0 : FAMILIES[family], 0)
      write(writer)
    },
  }
}

/** `resource` is the one big-endian field: a subsystem in a batch's begin and end, otherwise 0. */
export function writeNfgen(writer: Writer, family: number, resource: number): void {
  writer.u8(family)
  writer.u8(0) // NFNETLINK_V0
  writer.u16be(resource)
}

/** The family of a received message; undefined for one we have no name for. */
export function familyAt(bytes: Uint8Array, start: number): TableFamily | undefined {
  const number = bytes[start]
  return (Object.keys(FAMILIES) as TableFamily[]).find((name) => FAMILIES[name] === number)
}

const NFNL_MSG_BATCH_BEGIN = 0x10
const NFNL_MSG_BATCH_END = 0x11
const NFNL_BATCH_GENID = 1

/** Opens a transaction; with `generation` the kernel refuses it (ERESTART) when the ruleset has changed since. */
export function batchBegin(generation: number | undefined): Request {
  return {
    type: NFNL_MSG_BATCH_BEGIN,
    flags: 0,
    about: () => 'begin nf_tables transaction',
    write(writer) {
      writeNfgen(writer, 0, NFNL_SUBSYS_NFTABLES)
      if (generation === undefined) return
      const at = writer.open(NFNL_BATCH_GENID)
      writer.u32be(generation)
      writer.close(at)
    },
  }
}

/** Closes a transaction: the kernel commits it. */
export function batchEnd(): Request {
  return {
    type: NFNL_MSG_BATCH_END,
    flags: 0,
    about: () => 'commit nf_tables transaction',
    write: (writer) => writeNfgen(writer, 0, NFNL_SUBSYS_NFTABLES),
  }
}
