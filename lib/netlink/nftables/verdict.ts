/** What becomes of a packet (enum nft_verdict_attributes, enum nft_verdicts). */

import { attributes } from '../codec/attributes.js'
import { type AttributeType, nested, text, u32be } from '../codec/types.js'

const CODES = {
  drop: 0,
  accept: 1,
  continue: 0xffffffff,
  jump: 0xfffffffd,
  goto: 0xfffffffc,
  return: 0xfffffffb,
} as const

export type Verdict =
  | { readonly kind: 'drop' | 'accept' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }

const verdictAttributes = attributes({ code: [1, u32be], chain: [2, text] })

/** NFTA_DATA_VERDICT. */
export const verdict: AttributeType<Verdict> = nested({
  write(writer, value) {
    verdictAttributes.write(writer, {
      code: CODES[value.kind],
      chain: value.kind === 'jump' || value.kind === 'goto' ? value.chain : undefined,
    })
  },
  read(reader, start, end) {
    const { code, chain = '' } = verdictAttributes.read(reader, start, end)
    const kind = (Object.keys(CODES) as (keyof typeof CODES)[]).find((name) => CODES[name] === code) ?? 'continue'
    return kind === 'jump' || kind === 'goto' ? { kind, chain } : { kind }
  },
})
