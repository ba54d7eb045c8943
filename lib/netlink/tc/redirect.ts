/**
 * Sends everything that arrives by a link out of another one, as a u32 filter that matches all with the action mirred
 * (include/uapi/linux/pkt_cls.h, tc_act/tc_mirred.h). u32 because every kernel has it; matchall would be smaller.
 */

import { NLA_F_NESTED, text, u32, writeAttribute } from '../codec/types.js'
import { NLM_F_CREATE, NLM_F_EXCL, type Request } from '../message.js'
import { INGRESS_HANDLE, RTM_NEWTFILTER, TCA_KIND, TCA_OPTIONS, writeTcHeader } from './message.js'

const TCA_U32_CLASSID = 1
const TCA_U32_SEL = 5
const TCA_U32_ACT = 7
const TCA_ACT_KIND = 1
const TCA_ACT_OPTIONS = 2
const TCA_MIRRED_PARMS = 2
const TC_ACT_STOLEN = 4
const TCA_EGRESS_REDIR = 1
const TC_U32_TERMINAL = 1
const ETH_P_ALL_BIG_ENDIAN = 0x0300
const PRIORITY = 1

/** The link needs its ingress qdisc first. EEXIST where there is a filter of this priority. */
export function redirectArriving(link: number, to: number): Request {
  return {
    type: RTM_NEWTFILTER,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    about: (describe) => `redirect what arrives by ${describe(link)} to ${describe(to)}`,
    write(writer) {
      writeTcHeader(writer, link, 0, INGRESS_HANDLE, (PRIORITY << 16) | ETH_P_ALL_BIG_ENDIAN)
      writeAttribute(writer, TCA_KIND, text, 'u32')
      const options = writer.open(TCA_OPTIONS)
      writeAttribute(writer, TCA_U32_CLASSID, u32, 0x10001)
      const actions = writer.open(TCA_U32_ACT)
      const action = writer.open(1)
      writeAttribute(writer, TCA_ACT_KIND, text, 'mirred')
      const settings = writer.open(TCA_ACT_OPTIONS | NLA_F_NESTED)
      const mirred = writer.open(TCA_MIRRED_PARMS) // index, capab, action, refcnt, bindcnt, eaction, ifindex
      for (const value of [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to]) writer.u32(value)
      for (const at of [mirred, settings, action, actions]) writer.close(at)
      const selector = writer.open(TCA_U32_SEL) // struct tc_u32_sel with one key of no bits
      writer.u8(TC_U32_TERMINAL)
      writer.u8(0)
      writer.u8(1) // nkeys
      writer.zeros(13 + 16)
      writer.close(selector)
      writer.close(options)
    },
  }
}
