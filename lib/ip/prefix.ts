/** Addresses with a prefix length (RFC 4632, RFC 4291 section 2.3). Host bits are kept. */

import { compareAddresses, type Family, formatAddress, type IpAddress, parseAddress } from './address.js'

export interface Prefix {
  /** As written: `10.1.2.3` in `10.1.2.3/24`. */
  readonly address: IpAddress
  /** 0 to 32 or 128. */
  readonly length: number
}

/**
 * Reads `address/length`. The length is compulsory and decimal; leading zeros in it are accepted, as Go does.
 * An IPv4-mapped prefix of at least 96 is the IPv4 prefix. Undefined where the text is no prefix.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  if (slash < 0 || slash === text.length - 1) return undefined
  const addressText = text.slice(0, slash)
  const address = parseAddress(addressText)
  if (address === undefined) return undefined
  let length = 0
  for (let i = slash + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return undefined
    length = length * 10 + digit
    if (length > 128) return undefined
  }
  if (address.family === 4 && addressText.indexOf(':') >= 0) length -= 96
  return length < 0 || length > bitsOf(address.family) ? undefined : { address, length }
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.length}`
}

/** 32 or 128. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** The prefix that holds one address and no other. */
export function hostPrefix(address: IpAddress): Prefix {
  return { address, length: bitsOf(address.family) }
}

/** The first address: all host bits zero. */
export function networkOf(prefix: Prefix): IpAddress {
  const { family } = prefix.address
  const bytes = prefix.address.bytes.slice()
  for (let i = prefix.length >> 3; i < bytes.length; i++) bytes[i] = (bytes[i] as number) & maskByte(prefix.length, i)
  return { family, bytes }
}

/** The last address: all host bits one. */
export function lastOf(prefix: Prefix): IpAddress {
  const { family } = prefix.address
  const bytes = prefix.address.bytes.slice()
  for (let i = prefix.length >> 3; i < bytes.length; i++) {
    bytes[i] = (bytes[i] as number) | (255 & ~maskByte(prefix.length, i))
  }
  return { family, bytes }
}

/** The broadcast address; undefined for IPv6 and for IPv4 prefixes of 31 and 32, which have none (RFC 3021). */
export function broadcastOf(prefix: Prefix): IpAddress | undefined {
  return prefix.address.family === 4 && prefix.length < 31 ? lastOf(prefix) : undefined
}

/** Whether `address` lies inside; false for the other family. */
export function containsAddress(prefix: Prefix, address: IpAddress): boolean {
  return prefix.address.family === address.family && samePrefix(prefix.address, address, prefix.length)
}

/** Whether the two share an address: one holds the other. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return (
    a.address.family === b.address.family && samePrefix(a.address, b.address, a.length < b.length ? a.length : b.length)
  )
}

function samePrefix(a: IpAddress, b: IpAddress, length: number): boolean {
  const whole = length >> 3
  for (let i = 0; i < whole; i++) if (a.bytes[i] !== b.bytes[i]) return false
  const rest = length & 7
  return rest === 0 || ((a.bytes[whole] as number) ^ (b.bytes[whole] as number)) >> (8 - rest) === 0
}

/** Same address, host bits included, and same length. */
export function equalPrefixes(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && compareAddresses(a.address, b.address) === 0
}

/** Whether the address is another than the network's own. */
export function hasHostBits(prefix: Prefix): boolean {
  const { bytes } = prefix.address
  for (let i = prefix.length >> 3; i < bytes.length; i++) {
    if (((bytes[i] as number) & ~maskByte(prefix.length, i) & 255) !== 0) return true
  }
  return false
}

/** The mask as an address: 255.255.255.0 for 4 and 24. */
export function maskOf(family: Family, length: number): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16)
  for (let i = 0; i < bytes.length; i++) bytes[i] = maskByte(length, i)
  return { family, bytes }
}

function maskByte(length: number, index: number): number {
  const bits = length - index * 8
  if (bits >= 8) return 255
  return bits <= 0 ? 0 : (255 << (8 - bits)) & 255
}
