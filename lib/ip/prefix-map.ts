/** Values by prefix, found as a router finds them: the longest prefix that holds an address wins. */

import type { Family, IpAddress } from './address.js'
import { bitsOf, networkOf, type Prefix } from './prefix.js'

export interface Found<T> {
  readonly prefix: Prefix
  readonly value: T
}

interface OfLength<T> {
  readonly length: number
  readonly entries: Map<string, Found<T>>
}

/** One look a length in use, so that thousands of prefixes of few lengths cost no more than one. */
export class PrefixMap<T> {
  /** The longest first. */
  readonly #lengths: Record<Family, OfLength<T>[]> = { 4: [], 6: [] }

  get(prefix: Prefix): T | undefined {
    const table = this.#lengths[prefix.address.family].find(({ length }) => length === prefix.length)
    return table?.entries.get(keyOf(prefix.address, prefix.length))?.value
  }

  set(prefix: Prefix, value: T): void {
    const { address, length } = prefix
    const tables = this.#lengths[address.family]
    let table = tables.find((candidate) => candidate.length === length)
    if (table === undefined) {
      table = { length, entries: new Map() }
      tables.push(table)
      tables.sort((a, b) => b.length - a.length)
    }
    table.entries.set(keyOf(address, length), { prefix, value })
  }

  /** What the longest prefix of at most `atMost` bits that holds the address was set to. */
  find(address: IpAddress, atMost = 128): Found<T> | undefined {
    for (const { length, entries } of this.#lengths[address.family]) {
      if (length > atMost) continue
      const found = entries.get(keyOf(address, length))
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** The first `length` bits of an address as a key. */
function keyOf(address: IpAddress, length: number): string {
  const { bytes } = length === bitsOf(address.family) ? address : networkOf({ address, length })
  let key = ''
  for (const byte of bytes) key += String.fromCharCode(byte)
  return key
}
