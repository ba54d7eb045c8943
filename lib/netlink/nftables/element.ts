/** Elements of sets and maps (enum nft_set_elem_attributes, include/uapi/linux/netfilter/nf_tables.h). */

import { attributes } from '../codec/attributes.js'
import { eachAttribute } from '../codec/reader.js'
import { bytes, list, nested, text, u32be } from '../codec/types.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, type Request } from '../message.js'
import { NFGEN_LENGTH, NFT_MSG_DELSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM, nftRequest } from './message.js'
import type { SetName } from './set.js'
import { comment } from './user-data.js'
import { type Verdict, verdict } from './verdict.js'

export interface Element {
  /** The parts of a concatenation each padded to four bytes. */
  readonly key: Uint8Array
  /** Of a map; keyed parts as in `key`. */
  readonly value?: Uint8Array | undefined
  /** Of a map of verdicts. */
  readonly verdict?: Verdict | undefined
  readonly comment?: string | undefined
  /** In a set of intervals: the first key after a range, which has an element of its own. */
  readonly end?: boolean | undefined
}

const NFT_SET_ELEM_INTERVAL_END = 1

/** enum nft_data_attributes. */
const data = nested(attributes({ value: [1, bytes], verdict: [2, verdict] }))

const elementAttributes = nested(
  attributes({
    flags: [3, u32be],
    key: [1, data],
    data: [2, data],
    comment: [6, comment],
  }),
)

const messageAttributes = attributes({
  table: [1, text],
  set: [2, text],
  elements: [3, list(1, elementAttributes)],
})

function encode({ key, value, verdict: to, comment: words, end }: Element) {
  return {
    flags: end === true ? NFT_SET_ELEM_INTERVAL_END : undefined,
    key: { value: key },
    data: value === undefined && to === undefined ? undefined : { value, verdict: to },
    comment: words,
  }
}

function request(message: number, flags: number, name: SetName, verb: string, elements: readonly Element[]): Request {
  return nftRequest(
    message,
    flags,
    name,
    () => `${verb} ${elements.length === 1 ? 'element' : 'elements'} of ${name.family} ${name.table} ${name.set}`,
    (writer) => {
      messageAttributes.write(writer, {
        table: name.table,
        set: name.set,
        elements: elements.length === 0 ? undefined : elements.map(encode),
      })
    },
  )
}

/** EEXIST where a key is taken, unless `shared`: then equal elements are as good. ENOENT without the set. */
export function addElements(name: SetName, elements: readonly Element[], { shared = false } = {}): Request {
  return request(NFT_MSG_NEWSETELEM, NLM_F_CREATE | (shared ? 0 : NLM_F_EXCL), name, 'add', elements)
}

/** ENOENT where one is absent. Only the keys count; without any, the set is emptied. */
export function deleteElements(name: SetName, elements: readonly Element[]): Request {
  const keys = elements.map(({ key, end }) => ({ key, end }))
  return request(NFT_MSG_DELSETELEM, 0, name, 'delete', keys)
}

/** ENOENT where it is absent. */
export function getElement(name: SetName, key: Uint8Array): Request {
  return request(NFT_MSG_GETSETELEM, 0, name, 'get', [{ key }])
}

/** Every element. */
export function listElements(name: SetName): Request {
  return request(NFT_MSG_GETSETELEM, 0, name, 'list', [])
}

/** The elements of one message. */
export function readElements({ reader, start, end }: Message): Element[] {
  const found: Element[] = []
  eachAttribute(reader, start + NFGEN_LENGTH, end, (number, from, to) => {
    if (number !== 3) return
    eachAttribute(reader, from, to, (_, at, until) => {
      const a = elementAttributes.read(reader, at, until)
      found.push({
        key: a.key?.value ?? new Uint8Array(),
        value: a.data?.value,
        verdict: a.data?.verdict,
        comment: a.comment ?? '',
        end: a.flags !== undefined && (a.flags & NFT_SET_ELEM_INTERVAL_END) !== 0,
      })
    })
  })
  return found
}
