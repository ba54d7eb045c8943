/**
 * Who held which address when the store was last read from end to end: a hash table in one file, so
 * that among any number of leases one attachment's are found by three reads. It is only a hint: each
 * answer is confirmed by the lease file itself. One of an earlier boot is not trusted, because a power cut
 * may have torn it.
 *
 * Format, little-endian: magic 4, number of buckets 4, SHA-256 of the boot's id (its first 8 bytes); for
 * each bucket and one beyond, the index of its first entry 4; then the entries: the second word of the
 * lease's digest 4, address 16 (IPv4 as IPv4-mapped). The first word of the digest chooses the bucket.
 */

import type { IpAddress } from '../../lib/ip/address.js'

const MAGIC = 0x31636c66 // "flc1"
const HEADER = 16
const ENTRY = 20
/** Entries a bucket holds on average. */
const LOAD = 8
/** Bytes. All leases of one holder are in one bucket. */
const LARGEST_BUCKET = 1 << 20

export interface CatalogueBuilder {
  /** `digest` is SHA-256 of the lease file's trimmed content. */
  add(digest: Uint8Array, address: IpAddress): void
  readonly size: () => number
  /** The file's bytes. `boot` is SHA-256 of this boot's id. */
  finish(boot: Uint8Array): Uint8Array
}

export function buildCatalogue(): CatalogueBuilder {
  let length = 0
  let digests = new Uint32Array(128)
  let addresses = new Uint8Array(1024)
  return {
    add(digest, address) {
      if (length * 16 === addresses.length) {
        digests = grown(digests, new Uint32Array(digests.length * 2))
        addresses = grown(addresses, new Uint8Array(addresses.length * 2))
      }
      digests[length * 2] = wordOf(digest, 0)
      digests[length * 2 + 1] = wordOf(digest, 4)
      writeAddress(addresses, length * 16, address)
      length++
    },
    size: () => length,
    finish(boot) {
      const buckets = Math.max(1, Math.ceil(length / LOAD))
      const next = new Uint32Array(buckets + 1)
      for (let at = 0; at < length; at++) increment(next, ((digests[at * 2] as number) % buckets) + 1, 1)
      for (let at = 0; at < buckets; at++) increment(next, at + 1, next[at] as number)
      const base = HEADER + (buckets + 1) * 4
      const file = new Uint8Array(base + length * ENTRY)
      const view = new DataView(file.buffer)
      view.setUint32(0, MAGIC, true)
      view.setUint32(4, buckets, true)
      file.set(boot.subarray(0, 8), 8)
      for (let at = 0; at <= buckets; at++) view.setUint32(HEADER + at * 4, next[at] as number, true)
      for (let at = 0; at < length; at++) {
        const bucket = (digests[at * 2] as number) % buckets
        const place = base + (next[bucket] as number) * ENTRY
        increment(next, bucket, 1)
        view.setUint32(place, digests[at * 2 + 1] as number, true)
        file.set(addresses.subarray(at * 16, at * 16 + 16), place + 4)
      }
      return file
    },
  }
}

function wordOf(digest: Uint8Array, at: number): number {
  const byte = (i: number) => digest[at + i] as number
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
}

function increment(counts: Uint32Array, at: number, by: number): void {
  counts[at] = (counts[at] as number) + by
}

function grown<T extends Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/**
 * The addresses of the leases with these digests, maybe among others; undefined where the file is
 * damaged or not of this boot. `read(offset, length)` gives that part of it, shorter at its end.
 */
export function searchCatalogue(
  read: (offset: number, length: number) => Uint8Array,
  digests: readonly Uint8Array[],
  boot: Uint8Array,
): IpAddress[] | undefined {
  const header = read(0, HEADER)
  if (header.length < HEADER || viewOf(header).getUint32(0, true) !== MAGIC) return undefined
  for (let at = 0; at < 8; at++) if (header[at + 8] !== boot[at]) return undefined
  const buckets = viewOf(header).getUint32(4, true)
  if (buckets === 0) return undefined
  const found: IpAddress[] = []
  for (const digest of digests) {
    const bounds = viewOf(read(HEADER + (wordOf(digest, 0) % buckets) * 4, 8))
    if (bounds.byteLength < 8) return undefined
    const first = bounds.getUint32(0, true)
    const size = (bounds.getUint32(4, true) - first) * ENTRY
    if (size === 0) continue
    // Of a file that is damaged, or a holder of more leases than are worth a search: they are all read instead.
    if (size < 0 || size > LARGEST_BUCKET) return undefined
    const entries = read(HEADER + (buckets + 1) * 4 + first * ENTRY, size)
    const view = viewOf(entries)
    for (let at = 0; at + ENTRY <= entries.length; at += ENTRY) {
      if (view.getUint32(at, true) === wordOf(digest, 4)) found.push(readAddress(entries, at + 4))
    }
  }
  return found
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function writeAddress(to: Uint8Array, at: number, { family, bytes }: IpAddress): void {
  if (family === 4) {
    to[at + 10] = 255
    to[at + 11] = 255
  }
  to.set(bytes, at + 16 - bytes.length)
}

function readAddress(from: Uint8Array, at: number): IpAddress {
  let mapped = from[at + 10] === 255 && from[at + 11] === 255
  for (let i = 0; i < 10; i++) if (from[at + i] !== 0) mapped = false
  return mapped ? { family: 4, bytes: from.slice(at + 12, at + 16) } : { family: 6, bytes: from.slice(at, at + 16) }
}
