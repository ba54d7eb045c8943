/** Addresses as iptables and ip6tables read them (libxtables/xtables.c). */

import { type Family, type IpAddress, parseAddress } from '../ip/address.js'
import { bitsOf, maskOf } from '../ip/prefix.js'
import type { Addresses } from './condition.js'

/** `address`, `address/length` or `address/mask`. What an address has beyond its mask does not count. */
export function readAddresses(text: string, family: Family, fail: (what: string) => Error): Addresses {
  const slash = text.lastIndexOf('/')
  const mask = slash < 0 ? maskOf(family, bitsOf(family)) : readMask(text.slice(slash + 1), family)
  if (mask === undefined) throw fail(`"${text}" has no mask of IPv${family}`)
  const length = lengthOf(mask)
  // Of a mask without a bit the address is not looked at, as in any/0.
  const address = length === 0 ? mask : readAddress(slash < 0 ? text : text.slice(0, slash), family)
  if (address === undefined) throw fail(`"${text}" is no IPv${family} address or prefix; names are not resolved`)
  return length === undefined ? { address, mask } : { prefix: { address, length } }
}

function readAddress(text: string, family: Family): IpAddress | undefined {
  return family === 6 ? readIpv6(text) : readIpv4(text)
}

function readMask(text: string, family: Family): IpAddress | undefined {
  const length = readNumber(text, bitsOf(family))
  if (length !== undefined) return maskOf(family, length)
  if (family === 6) return readIpv6(text)
  return text.split('.').length === 4 ? readIpv4(text) : undefined
}

/** As iptables itself reads it, else as the C library does, which it asks then. */
function readIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.')
  return parts.length > 4 ? undefined : (readShort(parts) ?? readWhole(parts))
}

/** Those that lack at the end are 0. */
function readShort(parts: readonly string[]): IpAddress | undefined {
  const bytes = new Uint8Array(4)
  for (const [at, part] of parts.entries()) {
    const byte = readNumber(part, 255)
    if (byte === undefined) return undefined
    bytes[at] = byte
  }
  return { family: 4, bytes }
}

/** As inet_aton(3): the last number stands for all bytes that are left, so that 3232235777 is 192.168.1.1. */
function readWhole(parts: readonly string[]): IpAddress | undefined {
  const bytes = new Uint8Array(4)
  const last = parts.length - 1
  for (const [at, part] of parts.entries()) {
    let number = readNumber(part, at < last ? 255 : 256 ** (4 - last) - 1)
    if (number === undefined) return undefined
    for (let to = at < last ? at : 3; to >= at; to--) {
      bytes[to] = number % 256
      number = Math.floor(number / 256)
    }
  }
  return { family: 4, bytes }
}

/** An IPv4-mapped address is one of IPv6 here. */
function readIpv6(text: string): IpAddress | undefined {
  const address = text.includes(':') ? parseAddress(text) : undefined
  if (address === undefined || address.family === 6) return address
  return { family: 6, bytes: new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...address.bytes]) }
}

/** As strtoul(3) with base 0: decimal, 0x and hexadecimal, 0 and octal. Undefined for what is none, or above `most`. */
function readNumber(text: string, most: number): number | undefined {
  const digits = text.startsWith('+') ? text.slice(1) : text
  const isHex = digits.startsWith('0x') || digits.startsWith('0X')
  const base = isHex ? 16 : digits.startsWith('0') ? 8 : 10
  const rest = isHex ? digits.slice(2) : digits
  if (rest === '') return undefined
  let number = 0
  for (const digit of rest.toLowerCase()) {
    const value = '0123456789abcdef'.indexOf(digit)
    if (value < 0 || value >= base) return undefined
    number = number * base + value
    if (number > most) return undefined
  }
  return number
}

/** How many first bits a mask has; undefined where it is none of such a form. */
function lengthOf({ family, bytes }: IpAddress): number | undefined {
  let length = 0
  while (length < bitsOf(family) && bitAt(bytes, length)) length++
  for (let bit = length; bit < bitsOf(family); bit++) if (bitAt(bytes, bit)) return undefined
  return length
}

function bitAt(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bit >> 3] as number) & (128 >> (bit & 7))) !== 0
}
