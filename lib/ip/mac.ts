/** Hardware addresses (IEEE 802 MAC-48, EUI-64, and InfiniBand's 20 bytes). */

import type { IpAddress } from './address.js'

/**
 * Reads `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff` or `aabb.ccdd.eeff`, in either case.
 * `sizes` are the lengths in bytes to accept: 6 by default; `[6, 8, 20]` is what Go's `net.ParseMAC` takes.
 */
export function parseMac(text: string, sizes: readonly number[] = [6]): Uint8Array | undefined {
  const separator = text.charAt(4) === '.' ? '.' : text.charAt(2)
  if (separator !== ':' && separator !== '-' && separator !== '.') return undefined
  const width = separator === '.' ? 4 : 2
  const size = ((text.length + 1) * width) / 2 / (width + 1)
  if (!sizes.includes(size)) return undefined
  const bytes = new Uint8Array(size)
  for (let i = 0, at = 0; i < size; i++) {
    const high = HEX[text.charCodeAt(at)] ?? NONE
    const low = HEX[text.charCodeAt(at + 1)] ?? NONE
    if ((high | low) === NONE) return undefined
    bytes[i] = (high << 4) | low
    at += 2
    if (at % (width + 1) === width) {
      if (at < text.length && text.charAt(at) !== separator) return undefined
      at++
    }
  }
  return bytes
}

/** The MAC that says an IPv4 address, as other networks of containers have it: `0a:58`, then the address's four bytes. */
export function macOfAddress(address: Uint8Array): string {
  return formatMac(new Uint8Array([0x0a, 0x58, ...address]))
}

/** The IPv4 address that a MAC of `macOfAddress` says; undefined for any other MAC. */
export function addressOfMac(mac: string): IpAddress | undefined {
  const bytes = parseMac(mac)
  return bytes?.[0] === 0x0a && bytes[1] === 0x58 ? { family: 4, bytes: bytes.subarray(2) } : undefined
}

const DIGITS = '0123456789abcdef'

/** The value of a hex digit by its character code; NONE, all bits, for what is none. */
const NONE = -1
const HEX = Array.from({ length: 128 }, (_, c) => DIGITS.indexOf(String.fromCharCode(c).toLowerCase()))

/** `00` to `ff`, and the same behind a colon. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15))
const MORE = PAIRS.map((pair) => `:${pair}`)

/** Lower case with colons. */
export function formatMac(bytes: Uint8Array): string {
  if (bytes.length === 0) return ''
  let text = PAIRS[bytes[0] as number] as string
  for (let i = 1; i < bytes.length; i++) text += MORE[bytes[i] as number]
  return text
}
