/** Ranges of addresses to allocate from, and sets of them: a set gives one address to each attachment. */

import {
  addToAddress,
  compareAddresses,
  distance,
  type Family,
  formatAddress,
  type IpAddress,
  nextAddress,
  parseAddress,
  previousAddress,
} from '../../lib/ip/address.js'
import {
  bitsOf,
  broadcastOf,
  containsAddress,
  formatPrefix,
  hasHostBits,
  lastOf,
  networkOf,
  type Prefix,
  parsePrefix,
} from '../../lib/ip/prefix.js'

/** A range as the configuration writes it; `''` is as good as absent. */
export interface RangeConfig {
  readonly subnet?: string
  readonly rangeStart?: string
  readonly rangeEnd?: string
  readonly gateway?: string
}

export interface Range {
  readonly subnet: Prefix
  /** First and last address, both included. */
  readonly start: IpAddress
  readonly end: IpAddress
  /** Never allocated. It may lie outside the subnet. */
  readonly gateway: IpAddress
}

/** Never empty, of one family, free of overlaps. */
export type RangeSet = readonly Range[]

/** Raises the fault of the configuration at a JSON pointer; never returns. */
export type Refuse = (pointer: string, why: string) => never

export function parseRange(config: RangeConfig, pointer: string, refuse: Refuse): Range {
  const text = config.subnet ?? ''
  if (text === '') return refuse(`${pointer}/subnet`, 'is missing')
  const subnet = parsePrefix(text)
  if (subnet === undefined) return refuse(`${pointer}/subnet`, `invalid CIDR address: ${text}`)
  const { family } = subnet.address
  if (subnet.length > bitsOf(family) - 2) {
    return refuse(`${pointer}/subnet`, `Network ${formatPrefix(subnet)} too small to allocate from`)
  }
  if (hasHostBits(subnet)) {
    const network = formatPrefix({ address: networkOf(subnet), length: subnet.length })
    return refuse(`${pointer}/subnet`, `Network has host bits set: ${formatPrefix(subnet)} should be ${network}`)
  }
  const first = nextAddress(subnet.address)
  const broadcast = broadcastOf(subnet)
  const last = broadcast === undefined ? lastOf(subnet) : previousAddress(broadcast)
  const read = (key: 'rangeStart' | 'rangeEnd' | 'gateway', otherwise: IpAddress): IpAddress => {
    const value = config[key] ?? ''
    if (value === '') return otherwise
    const address = parseAddress(value)
    if (address === undefined) return refuse(`${pointer}/${key}`, `invalid IP address: ${value}`)
    if (address.family !== family) return refuse(`${pointer}/${key}`, `${value} is not of the family of ${text}`)
    return address
  }
  const requireInside = (key: 'rangeStart' | 'rangeEnd', address: IpAddress): void => {
    if (containsAddress(subnet, address)) return
    refuse(`${pointer}/${key}`, `${formatAddress(address)} is not in network ${formatPrefix(subnet)}`)
  }
  const start = read('rangeStart', first)
  const end = read('rangeEnd', last)
  if (start !== first) requireInside('rangeStart', start)
  if (end !== last) requireInside('rangeEnd', end)
  if ((start !== first || end !== last) && compareAddresses(start, end) > 0) {
    return refuse(`${pointer}/rangeStart`, `${formatAddress(start)} is after rangeEnd ${formatAddress(end)}`)
  }
  return { subnet, start, end, gateway: read('gateway', first) }
}

/** `pointerTo` gives the JSON pointer of the set's range number `at`. */
export function parseRangeSet(
  configs: readonly RangeConfig[],
  pointer: string,
  refuse: Refuse,
  pointerTo = (at: number) => `${pointer}/${at}`,
): RangeSet {
  if (configs.length === 0) return refuse(pointer, 'the range set is empty')
  const set = configs.map((config, at) => parseRange(config, pointerTo(at), refuse))
  const family = familyOf(set)
  const stranger = set.findIndex(({ start }) => start.family !== family)
  if (stranger !== -1) return refuse(pointerTo(stranger), 'mixed address families in one range set')
  const clash = firstOverlap(set)
  if (clash === undefined) return set
  const [earlier, later] = clash.map((at) => spanOf(set[at] as Range))
  return refuse(pointerTo(clash[1]), `subnets ${earlier} and ${later} overlap`)
}

/** The places of two ranges that overlap, in their order. */
export function firstOverlap(ranges: readonly Range[]): [number, number] | undefined {
  if (ranges.length < 2) return undefined
  /** Of those so far, the one that ends last. */
  let widest: number | undefined
  for (const at of inOrder(ranges)) {
    const range = ranges[at] as Range
    const before = widest === undefined ? undefined : (ranges[widest] as Range)
    if (widest !== undefined && before !== undefined && overlap(before, range)) {
      return widest < at ? [widest, at] : [at, widest]
    }
    const goesOn = before?.start.family === range.start.family && compareAddresses(before.end, range.end) >= 0
    if (!goesOn) widest = at
  }
  return undefined
}

/**
 * The places of ranges in the order of their starts, families apart. Keys of text are sorted by the engine itself, some
 * ten times quicker than by a function of ours: for thousands of ranges that is most of an ADD.
 */
function inOrder(ranges: readonly Range[]): number[] {
  const keys = ranges.map(({ start: { family, bytes } }, at) => {
    let key = family === 4 ? '4' : '6'
    for (let i = 0; i < bytes.length; i += 2) {
      key += String.fromCharCode(((bytes[i] as number) << 8) | (bytes[i + 1] as number))
    }
    return key + String.fromCharCode(at >> 16, at & 0xffff)
  })
  return keys.sort().map((key) => (key.charCodeAt(key.length - 2) << 16) | key.charCodeAt(key.length - 1))
}

/** Whether two ranges share an address. What counts is what they allocate, not their subnets. */
export function overlap(a: Range, b: Range): boolean {
  return (
    a.start.family === b.start.family && compareAddresses(a.start, b.end) <= 0 && compareAddresses(b.start, a.end) <= 0
  )
}

/** `10.1.2.1-10.1.2.254`, as the reference's messages have it. */
export function spanOf({ start, end }: Range): string {
  return `${formatAddress(start)}-${formatAddress(end)}`
}

/** The spans, joined by commas. */
export function formatRangeSet(set: RangeSet): string {
  return set.map(spanOf).join(',')
}

export function familyOf(set: RangeSet): Family {
  return set[0]?.start.family ?? 4
}

/** The range of a set that allocates `address`. */
export function rangeOf(set: RangeSet, address: IpAddress): Range | undefined {
  if (familyOf(set) !== address.family) return undefined
  if (set.length <= FEW) return set.find((range) => contains(range, address))
  const sorted = sortedOf(set)
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    if (compareAddresses((sorted[middle] as Range).end, address) < 0) low = middle + 1
    else high = middle
  }
  const range = sorted[low]
  return range !== undefined && contains(range, address) ? range : undefined
}

function contains({ start, end }: Range, address: IpAddress): boolean {
  return compareAddresses(start, address) <= 0 && compareAddresses(address, end) <= 0
}

/** Whether `address` is the gateway of any range of the set. */
export function isGatewayOf(set: RangeSet, address: IpAddress): boolean {
  if (set.length > FEW) return gatewaysOf(set).has(formatAddress(address))
  return set.some(({ gateway }) => compareAddresses(gateway, address) === 0)
}

/** So many ranges are gone through quicker than they are sorted. */
const FEW = 16

const sortedSets = new WeakMap<RangeSet, RangeSet>()

function sortedOf(set: RangeSet): RangeSet {
  return kept(sortedSets, set, () => inOrder(set).map((at) => set[at] as Range))
}

const gatewaysOfSets = new WeakMap<RangeSet, ReadonlySet<string>>()

function gatewaysOf(set: RangeSet): ReadonlySet<string> {
  return kept(gatewaysOfSets, set, () => new Set(set.map(({ gateway }) => formatAddress(gateway))))
}

function kept<T>(store: WeakMap<RangeSet, T>, set: RangeSet, make: () => T): T {
  const known = store.get(set)
  if (known !== undefined) return known
  const made = make()
  store.set(set, made)
  return made
}

/** The place of the set that allocates an address. */
export type SetOf = (address: IpAddress) => number | undefined

/** For sets that do not overlap. */
export function setFinder(sets: readonly RangeSet[]): SetOf {
  if (sets.length <= FEW) {
    return (address) => {
      const place = sets.findIndex((set) => rangeOf(set, address) !== undefined)
      return place === -1 ? undefined : place
    }
  }
  const placeOf = new Map<Range, number>()
  for (const [place, set] of sets.entries()) for (const range of set) placeOf.set(range, place)
  const ranges = [...placeOf.keys()]
  const families = {
    4: ranges.filter(({ start }) => start.family === 4),
    6: ranges.filter(({ start }) => start.family === 6),
  }
  return (address) => {
    const range = rangeOf(families[address.family], address)
    return range === undefined ? undefined : placeOf.get(range)
  }
}

/** How many addresses a set can give away; Infinity beyond 2^53. */
export function capacityOf(set: RangeSet): number {
  let n = 0
  const gateways = new Set<string>()
  for (const { start, end, gateway } of set) {
    n += distance(start, end) + 1
    if (rangeOf(set, gateway) !== undefined) gateways.add(formatAddress(gateway))
  }
  return n - gateways.size
}

/**
 * The addresses of a set in the order to try them: from the one after `last` to the end of its range,
 * through the other ranges and around, each once, gateways left out. `last` itself comes at the end.
 * Without a `last` of this set they begin at the first range's start.
 */
export function roundRobin(set: RangeSet, last: IpAddress | undefined): () => IpAddress | undefined {
  const its = last === undefined ? undefined : rangeOf(set, last)
  const found = its === undefined ? -1 : set.indexOf(its)
  const first = set[Math.max(found, 0)] as Range
  let at = Math.max(found, 0)
  let range = first
  let current = found === -1 || last === undefined ? undefined : last
  const advance = (): IpAddress => {
    if (current === undefined) return range.start
    if (compareAddresses(current, range.end) !== 0) return addToAddress(current, 1)
    at = (at + 1) % set.length
    range = set[at] as Range
    return range.start
  }
  let beginning: IpAddress | undefined
  return () => {
    for (;;) {
      current = advance()
      if (beginning === undefined) beginning = current
      else if (compareAddresses(current, beginning) === 0) return undefined
      if (!isGatewayOf(set, current)) return current
    }
  }
}
