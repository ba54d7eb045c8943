/** Prefixes as the elements of a set of intervals, which may neither overlap nor (for the reader's sake) touch. */

import { compareAddresses, type IpAddress, nextAddress } from '../ip/address.js'
import { lastOf, networkOf, type Prefix } from '../ip/prefix.js'
import type { Element } from '../netlink/nftables/element.js'

/** Of one family, in ascending order: a range's first key, then the first key after it. */
export function intervals(prefixes: readonly Prefix[]): Element[] {
  const sorted = [...prefixes].sort((a, b) => compareAddresses(networkOf(a), networkOf(b)))
  const ranges: { first: IpAddress; last: IpAddress }[] = []
  for (const prefix of sorted) {
    const first = networkOf(prefix)
    const last = lastOf(prefix)
    const previous = ranges[ranges.length - 1]
    if (previous !== undefined && touches(previous.last, first)) {
      if (compareAddresses(last, previous.last) > 0) previous.last = last
    } else ranges.push({ first, last })
  }
  return ranges.flatMap(({ first, last }) => {
    const start = { key: first.bytes }
    // Behind the highest address there is no key: such a range has no end.
    return isHighest(last) ? [start] : [start, { key: nextAddress(last).bytes, end: true }]
  })
}

function touches(last: IpAddress, first: IpAddress): boolean {
  return isHighest(last) || compareAddresses(first, nextAddress(last)) <= 0
}

function isHighest({ bytes }: IpAddress): boolean {
  return bytes.every((byte) => byte === 255)
}
