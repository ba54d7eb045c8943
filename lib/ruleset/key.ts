/** Keys and values of set elements: each part of a concatenation padded to four bytes. */

import { encodeUtf8 } from '../sys/text.js'

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const key = new Uint8Array(parts.reduce((length, part) => length + ((part.length + 3) & ~3), 0))
  let at = 0
  for (const part of parts) {
    key.set(part, at)
    at += (part.length + 3) & ~3
  }
  return key
}

/** An interface's name as the kernel compares it: 16 bytes, zeros behind. */
export function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.set(encodeUtf8(name).subarray(0, 15))
  return bytes
}

export function portBytes(port: number): Uint8Array {
  return new Uint8Array([port >> 8, port & 255])
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return a === b
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
