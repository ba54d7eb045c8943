/** Sets and maps (enum nft_set_attributes, include/uapi/linux/netfilter/nf_tables.h). */

import { attributes } from '../codec/attributes.js'
import { bytes, list, nested, text, u32be, u64be } from '../codec/types.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, type Request } from '../message.js'
import { NFGEN_LENGTH, NFT_MSG_DELSET, NFT_MSG_GETSET, NFT_MSG_NEWSET, nftRequest, type TableName } from './message.js'

/** What a key or a value is: nft's number for it (enum datatypes, nftables' include/datatype.h) and its bytes. */
const TYPES = {
  ipv4_addr: [7, 4],
  ipv6_addr: [8, 16],
  ether_addr: [9, 6],
  inet_proto: [12, 1],
  inet_service: [13, 2],
  ifname: [41, 16],
} as const
export type DataType = keyof typeof TYPES

/** The kernel pads each part of a concatenation to four bytes. */
export function paddedLength(type: DataType): number {
  return (TYPES[type][1] + 3) & ~3
}

export interface SetName extends TableName {
  readonly set: string
}

export interface SetSpec {
  /** One type, or those of a concatenation. */
  readonly key: readonly DataType[]
  /** Makes it a map. */
  readonly value?: readonly DataType[] | 'verdict'
  /** Elements are ranges; only for keys of one type here. */
  readonly intervals?: boolean
}

const NFT_SET_INTERVAL = 4
const NFT_SET_MAP = 8
const NFT_DATA_VERDICT = 0xffffff00

const setAttributes = attributes({
  table: [1, text],
  name: [2, text],
  flags: [3, u32be],
  keyType: [4, u32be],
  keyLength: [5, u32be],
  valueType: [6, u32be],
  valueLength: [7, u32be],
  description: [
    9,
    nested(attributes({ size: [1, u32be], parts: [2, list(1, nested(attributes({ length: [1, u32be] })))] })),
  ],
  id: [10, u32be],
  userData: [13, bytes],
  handle: [16, u64be],
})

/** nft packs the types of a concatenation into one number, six bits each. */
function typeNumber(types: readonly DataType[]): number {
  return types.reduce((number, type) => number * 64 + TYPES[type][0], 0)
}

function lengthOf(types: readonly DataType[]): number {
  const [only] = types
  if (types.length === 1 && only !== undefined) return TYPES[only][1]
  return types.reduce((length, type) => length + paddedLength(type), 0)
}

/** NFTNL_UDATA_SET_KEYBYTEORDER: host order (1) for names, network order (2) for everything else. */
function byteOrder([first, ...rest]: readonly DataType[]): Uint8Array | undefined {
  if (rest.length > 0) return undefined
  return new Uint8Array([0, 4, first === 'ifname' ? 1 : 2, 0, 0, 0])
}

function setText({ family, table, set }: SetName): string {
  return `set ${family} ${table} ${set}`
}

/** EEXIST where there is one, unless `shared`: then it is taken as it is. */
export function addSet(name: SetName, { key, value, intervals = false }: SetSpec, { shared = false } = {}): Request {
  return nftRequest(
    NFT_MSG_NEWSET,
    NLM_F_CREATE | (shared ? 0 : NLM_F_EXCL),
    name,
    () => `create ${setText(name)}`,
    (writer) =>
      setAttributes.write(writer, {
        table: name.table,
        name: name.set,
        flags: (intervals ? NFT_SET_INTERVAL : 0) | (value === undefined ? 0 : NFT_SET_MAP),
        keyType: typeNumber(key),
        keyLength: lengthOf(key),
        valueType: value === undefined ? undefined : value === 'verdict' ? NFT_DATA_VERDICT : typeNumber(value),
        valueLength: value === undefined ? undefined : value === 'verdict' ? 0 : lengthOf(value),
        id: 1, // the kernel wants one; sets are found by name here
        userData: byteOrder(key),
      }),
  )
}

/** EBUSY while a rule refers to it. */
export function deleteSet(name: SetName): Request {
  return nftRequest(
    NFT_MSG_DELSET,
    0,
    name,
    () => `delete ${setText(name)}`,
    (writer) => setAttributes.write(writer, { table: name.table, name: name.set }),
  )
}

/** ENOENT where there is none. */
export function getSet(name: SetName): Request {
  return nftRequest(
    NFT_MSG_GETSET,
    0,
    name,
    () => `get ${setText(name)}`,
    (writer) => setAttributes.write(writer, { table: name.table, name: name.set }),
  )
}

/** A set's handle: unlike the name it is never used again in its table. */
export function readSetHandle({ reader, start, end }: Message): number {
  return setAttributes.read(reader, start + NFGEN_LENGTH, end).handle ?? 0
}
