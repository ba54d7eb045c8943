/**
 * User data of nf_tables objects: what nft shows as a comment. Type, length and value of one byte, one byte and up to
 * 255 (libnftnl's include/udata.h); the kernel stores it unread.
 */

import type { Reader } from '../codec/reader.js'
import { type AttributeType, bareText } from '../codec/types.js'

const COMMENT = 0

/** nft refuses longer comments, the NUL included (NFTNL_UDATA_COMMENT_MAXLEN). */
export const COMMENT_LIMIT = 127

/** A comment as an attribute's payload. Read: `''` where there is none. */
export const comment: AttributeType<string> = {
  write(writer, value) {
    writer.u8(COMMENT)
    const at = writer.take(1)
    bareText.write(writer, value)
    writer.u8(0)
    writer.bytes[at] = writer.length - at - 1
  },
  read(reader: Reader, start: number, end: number) {
    for (let at = start; at + 2 <= end; ) {
      const length = reader.bytes[at + 1] as number
      if (reader.bytes[at] === COMMENT) return bareText.read(reader, at + 2, Math.min(at + 2 + length, end))
      at += 2 + length
    }
    return ''
  },
}
