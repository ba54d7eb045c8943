/** IPv4 and IPv6 addresses as bytes. Values are never changed in place: every function returns a new one. */

export type Family = 4 | 6

export interface IpAddress {
  readonly family: Family
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array
}

/**
 * Reads an address as strictly as Go's `net.ParseIP`: no leading zeros in decimal octets, no zone, no blanks.
 * An IPv4-mapped address (`::ffff:192.0.2.1`) is that IPv4 address. Undefined where the text is no address.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.indexOf(':') < 0) {
    const bytes = new Uint8Array(4)
    return readIpv4(text, 0, bytes, 0) ? { family: 4, bytes } : undefined
  }
  const bytes = readIpv6(text)
  if (bytes === undefined) return undefined
  return addressOf(bytes)
}

/** That of 4 or 16 bytes, of which an IPv4-mapped one is the IPv4 address. */
export function addressOf(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return { family: 4, bytes }
  return isMapped(bytes) ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes }
}

/** Four decimal octets from `at` to the end of `text`. */
function readIpv4(text: string, at: number, bytes: Uint8Array, to: number): boolean {
  const octets = text.slice(at).split('.')
  if (octets.length !== 4) return false
  for (let i = 0; i < 4; i++) {
    const octet = octets[i] as string
    const value = Number(octet)
    // What prints as it was written has no sign, exponent, blank or leading zero.
    if (!(value >= 0 && value <= 255) || String(value) !== octet) return false
    bytes[to + i] = value
  }
  return true
}

/** RFC 4291 section 2.2. `::` stands for at least one group. */
function readIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16)
  let length = 0
  let gap = -1
  let at = 0
  if (text.startsWith('::')) {
    gap = 0
    at = 2
    if (text.length === 2) return bytes
  }
  while (length < 16) {
    const start = at
    let group = 0
    for (; at < text.length; at++) {
      const digit = hexDigit(text.charCodeAt(at))
      if (digit < 0) break
      group = group * 16 + digit
      if (at - start === 4) return undefined
    }
    if (at === start) return undefined
    if (text.charCodeAt(at) === 46) {
      if (length > 12 || (gap < 0 && length !== 12) || !readIpv4(text, start, bytes, length)) return undefined
      length += 4
      at = text.length
      break
    }
    bytes[length++] = group >> 8
    bytes[length++] = group & 255
    if (at === text.length) break
    if (text.charCodeAt(at) !== 58 || ++at === text.length) return undefined
    if (text.charCodeAt(at) === 58) {
      if (gap >= 0) return undefined
      gap = length
      if (++at === text.length) break
    }
  }
  if (at !== text.length) return undefined
  if (length === 16) return gap < 0 ? bytes : undefined
  if (gap < 0) return undefined
  bytes.copyWithin(16 - length + gap, gap, length)
  bytes.fill(0, gap, 16 - length + gap)
  return bytes
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  if (c >= 97 && c <= 102) return c - 87
  if (c >= 65 && c <= 70) return c - 55
  return -1
}

function isMapped(bytes: Uint8Array): boolean {
  if (bytes[10] !== 255 || bytes[11] !== 255) return false
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return true
}

/** Dotted quad, or RFC 5952: lower case, the longest run of zero groups (the first of equals) as `::`. */
export function formatAddress(address: IpAddress): string {
  const { bytes } = address
  if (address.family === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  let gap = -1
  let gapLength = 1 // one group alone is never shortened
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && bytes[end * 2] === 0 && bytes[end * 2 + 1] === 0) end++
    if (end - i > gapLength) {
      gap = i
      gapLength = end - i
    }
    if (end > i) i = end
  }
  let text = ''
  for (let i = 0; i < 8; i++) {
    if (i === gap) {
      text += '::'
      i += gapLength - 1
      continue
    }
    if (i > 0 && i !== gap + gapLength) text += ':'
    text += (at(bytes, i * 2) * 256 + at(bytes, i * 2 + 1)).toString(16)
  }
  return text
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}

/** IPv4 before IPv6, then by value: negative, 0 or positive. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) return a.family - b.family
  for (let i = 0; i < a.bytes.length; i++) {
    const difference = at(a.bytes, i) - at(b.bytes, i)
    if (difference !== 0) return difference
  }
  return 0
}

export function equalAddresses(a: IpAddress, b: IpAddress): boolean {
  return compareAddresses(a, b) === 0
}

/** The address after; after the last one of the family comes the first. */
export function nextAddress(address: IpAddress): IpAddress {
  return addToAddress(address, 1)
}

/** The address before; before the first one of the family comes the last. */
export function previousAddress(address: IpAddress): IpAddress {
  return addToAddress(address, -1)
}

/** `n` addresses further (back where negative), modulo the size of the family. `n` is an integer; a number is safe. */
export function addToAddress(address: IpAddress, n: number | bigint): IpAddress {
  if (address.family === 4) return ipv4FromNumber(ipv4ToNumber(address) + low32(n))
  const bytes = new Uint8Array(16)
  if (typeof n === 'bigint') {
    let carry = n
    for (let i = 15; i >= 0; i--) {
      carry += BigInt(at(address.bytes, i))
      bytes[i] = Number(carry & 255n)
      carry >>= 8n
    }
  } else {
    let carry = n
    for (let i = 15; i >= 0; i--) {
      carry += at(address.bytes, i)
      const high = Math.floor(carry / 256)
      bytes[i] = carry - high * 256
      carry = high
    }
  }
  return { family: 6, bytes }
}

/** A bigint may exceed what a number holds, and only its low 32 bits matter here. */
function low32(n: number | bigint): number {
  return typeof n === 'bigint' ? Number(BigInt.asUintN(32, n)) : n
}

/**
 * How far `b` is after `a`: `distance(a, next(a))` is 1, and negative where `b` comes first.
 * Beyond ±(2^53 - 1), which only IPv6 can reach, it is ±Infinity. Throws RangeError for two families.
 */
export function distance(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) throw new RangeError('no distance between an IPv4 and an IPv6 address')
  if (a.family === 4) return ipv4ToNumber(b) - ipv4ToNumber(a)
  // From the most significant byte; past 2^54 the lower bytes cannot bring it back into range.
  let sum = 0
  for (let i = 0; i < 16; i++) {
    sum = sum * 256 + at(b.bytes, i) - at(a.bytes, i)
    if (sum > 2 ** 54 || sum < -(2 ** 54)) return sum > 0 ? Infinity : -Infinity
  }
  return Number.isSafeInteger(sum) ? sum : sum > 0 ? Infinity : -Infinity
}

/** The 32 bits of an IPv4 address as a number from 0 to 2^32 - 1. */
export function ipv4ToNumber(address: IpAddress): number {
  const { bytes } = address
  return at(bytes, 0) * 16777216 + ((at(bytes, 1) << 16) | (at(bytes, 2) << 8) | at(bytes, 3))
}

/** The IPv4 address of an integer, modulo 2^32. */
export function ipv4FromNumber(n: number): IpAddress {
  const low = (n - Math.floor(n / 4294967296) * 4294967296) >>> 0
  // From a list the engine would make an iterator first.
  const bytes = new Uint8Array(4)
  bytes[0] = low >>> 24
  bytes[1] = low >>> 16
  bytes[2] = low >>> 8
  bytes[3] = low
  return { family: 4, bytes }
}

/** 224.0.0.0/4, ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  const first = at(address.bytes, 0)
  return address.family === 4 ? first >> 4 === 14 : first === 255
}

/** 127.0.0.0/8, ::1. */
export function isLoopback(address: IpAddress): boolean {
  if (address.family === 4) return address.bytes[0] === 127
  return address.bytes[15] === 1 && isZero(address.bytes, 15)
}

/** 0.0.0.0, ::. */
export function isUnspecified(address: IpAddress): boolean {
  return isZero(address.bytes, address.bytes.length)
}

/** 169.254.0.0/16, fe80::/10. */
export function isLinkLocal(address: IpAddress): boolean {
  const [first, second = 0] = address.bytes
  return address.family === 4 ? first === 169 && second === 254 : first === 254 && second >> 6 === 2
}

function isZero(bytes: Uint8Array, end: number): boolean {
  for (let i = 0; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
