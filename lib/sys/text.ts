/** Text, bytes and digests. */

import { door } from './door.js'

/** Strict UTF-8; undefined where the bytes are not. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  return door().decode(bytes)
}

/**
 * Bytes that are no UTF-8 as a text that no UTF-8 is equal to: the upper ones become lone surrogates, U+DC00 + byte, as in
 * PEP 383. `encodeUtf8` gives the bytes back.
 */
export function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join('')
}

export function encodeUtf8(text: string): Uint8Array {
  return door().encode(text)
}

/** SHA-256 of bytes, as 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return door().sha256(bytes)
}

/** SHA-256 of text (as UTF-8) or bytes, in lower-case hex. */
export function sha256Hex(data: string | Uint8Array): string {
  return hex(door().sha256(typeof data === 'string' ? door().encode(data) : data))
}

/** The first 16 hex digits of SHA-256: enough to tell things apart by. */
export function shortHash(text: string): string {
  return hex(door().sha256(door().encode(text)).subarray(0, 8))
}

/** SHA-512, which the reference plugins use in the names they derive. */
export function sha512Hex(data: string | Uint8Array): string {
  return hex(door().sha512(typeof data === 'string' ? door().encode(data) : data))
}

/** Text of others where only plain characters are safe: what is not visible ASCII, or is a double quote, becomes `?`. */
export function plain(text: string): string {
  let clean = ''
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    clean += c < 32 || c > 126 || c === 34 ? '?' : text.charAt(i)
  }
  return clean
}

/**
 * Text of others in a line for people: a character that is not seen, ends the line, or turns the direction of what
 * follows, is written as its escape.
 */
export function visible(text: string): string {
  let clean = ''
  let kept = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (!isHidden(c)) continue
    clean += `${text.slice(kept, i)}\\u${c.toString(16).padStart(4, '0')}`
    kept = i + 1
  }
  return kept === 0 ? text : clean + text.slice(kept)
}

/** Controls (C0, DEL, C1), and the format characters of Unicode that have no width, among them those of direction. */
function isHidden(c: number): boolean {
  if (c < 0xad) return c < 32 || (c > 126 && c < 0xa0)
  if (c < 0x2000) return c === 0xad || c === 0x61c || c === 0x180e
  if (c < 0x2070) return (c > 0x200a && c < 0x2010) || (c > 0x2027 && c < 0x202f) || c > 0x205f
  return c === 0xfeff || (c > 0xfff8 && c < 0xfffc)
}

const DIGITS = '0123456789abcdef'

/** `00` to `ff`. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15))

/** Lower-case hex, two digits a byte. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += PAIRS[bytes[i] as number]
  return text
}
