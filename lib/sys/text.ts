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

/** SHA-512, which the reference plugins use in the names they derive. */
export function sha512Hex(data: string | Uint8Array): string {
  return hex(door().sha512(typeof data === 'string' ? door().encode(data) : data))
}

/** Lower-case hex, two digits a byte. */
export function hex(bytes: Uint8Array): string {
  const digits = '0123456789abcdef'
  let text = ''
  for (const byte of bytes) text += (digits[byte >> 4] ?? '') + (digits[byte & 15] ?? '')
  return text
}
