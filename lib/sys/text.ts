/** Text, bytes and digests. */

import { door } from './door.js'

/** Strict UTF-8; undefined where the bytes are not. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  return door().decode(bytes)
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

const DIGITS = '0123456789abcdef'

/** `00` to `ff`. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15))

/** Lower-case hex, two digits a byte. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += PAIRS[bytes[i] as number]
  return text
}
