/** Queueing disciplines of a link. */

import { attributes } from '../codec/attributes.js'
import { nested, text } from '../codec/types.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type Request } from '../message.js'
import {
  FIRST,
  INGRESS_HANDLE,
  RTM_DELQDISC,
  RTM_GETQDISC,
  RTM_NEWQDISC,
  TC_HEADER_LENGTH,
  TC_INGRESS,
  TC_ROOT,
  writeTcHeader,
} from './message.js'
import { type TokenBucket, tokenBucket } from './token-bucket.js'

const kindAttributes = attributes({ kind: [1, text] })
const tbfAttributes = attributes({ kind: [1, text], options: [2, nested(tokenBucket)] })

/** Shapes what leaves by a link, in the place of what did so before. */
export function setTokenBucket(link: number, bucket: TokenBucket): Request {
  return {
    type: RTM_NEWQDISC,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    about: (describe) => `set token bucket on ${describe(link)}`,
    write(writer) {
      writeTcHeader(writer, link, FIRST, TC_ROOT)
      tbfAttributes.write(writer, { kind: 'tbf', options: bucket })
    },
  }
}

/** Where filters for what arrives by a link are hung; EEXIST where there is one. */
export function addIngress(link: number): Request {
  return {
    type: RTM_NEWQDISC,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    about: (describe) => `add ingress qdisc to ${describe(link)}`,
    write(writer) {
      writeTcHeader(writer, link, INGRESS_HANDLE, TC_INGRESS)
      kindAttributes.write(writer, { kind: 'ingress' })
    },
  }
}

/** With its filters. ENOENT or EINVAL where there is none. */
export function deleteQdisc(link: number, where: 'root' | 'ingress'): Request {
  return {
    type: RTM_DELQDISC,
    flags: 0,
    about: (describe) => `delete ${where} qdisc of ${describe(link)}`,
    write(writer) {
      writeTcHeader(writer, link, 0, where === 'root' ? TC_ROOT : TC_INGRESS)
    },
  }
}

export interface Qdisc {
  readonly kind: string
  /** Of a tbf. */
  readonly bucket: TokenBucket | undefined
}

/** To be asked with `requestEcho`: the kernel answers only to those who want an echo. */
export function getQdisc(link: number, where: 'root' | 'ingress'): Request {
  return {
    type: RTM_GETQDISC,
    flags: 0,
    about: (describe) => `get ${where} qdisc of ${describe(link)}`,
    write(writer) {
      writeTcHeader(writer, link, 0, where === 'root' ? TC_ROOT : TC_INGRESS)
    },
  }
}

export function readQdisc({ reader, start, end }: Message): Qdisc {
  const { kind = '' } = kindAttributes.read(reader, start + TC_HEADER_LENGTH, end)
  const bucket = kind === 'tbf' ? tbfAttributes.read(reader, start + TC_HEADER_LENGTH, end).options : undefined
  return { kind, bucket }
}
