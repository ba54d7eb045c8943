/** Addresses that are likely to go wrong: runs of zeros and ones between random bytes. */

import type { IpAddress } from '../ip/address.js'

export function randomAddress(family: 4 | 6 = Math.random() < 0.5 ? 4 : 6): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16)
  for (let at = 0; at < bytes.length; ) {
    const kind = Math.random()
    const run = Math.ceil(Math.random() * 6)
    for (const end = Math.min(bytes.length, at + run); at < end; at++) {
      bytes[at] = kind < 0.35 ? 0 : kind < 0.5 ? 255 : Math.random() * 256
    }
  }
  // IPv4 in disguise is IPv4 and reads back as such.
  if (family === 6 && bytes.subarray(0, 8).every((byte) => byte === 0)) bytes[0] = 0x20
  return { family, bytes }
}

export function repeat(times: number, check: () => void): void {
  for (let i = 0; i < times; i++) check()
}
