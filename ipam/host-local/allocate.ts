/** One address from each set, all of them or none. */

import { CniError, ErrorCode, toCniError } from '../../lib/cni/error.js'
import { equalAddresses, formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { type Draft, discardFile } from '../../lib/store/atomic.js'
import {
  draftLease,
  type Holder,
  leaseNames,
  openLastReserved,
  readHolder,
  releaseAddress,
  takeAddress,
} from './leases.js'
import {
  capacityOf,
  formatRangeSet,
  isGatewayOf,
  type Range,
  type RangeSet,
  rangeOf,
  roundRobin,
  type SetOf,
} from './ranges.js'
import { explainExhaustion, reclaimOne, reclaimStale } from './reclaim.js'
import { type Life, readRecord, recordName } from './records.js'
import type { Store } from './store.js'
import { formatTime } from './time.js'

export interface Allocation {
  readonly address: IpAddress
  readonly range: Range
}

/** What an attachment has already, in all sets or in one. */
export interface Held {
  readonly exact: readonly IpAddress[]
  readonly legacy: readonly IpAddress[]
}

export interface Wish {
  readonly sets: readonly RangeSet[]
  readonly setOf: SetOf
  /** Each must find its set. */
  readonly requested: readonly IpAddress[]
  readonly holder: Holder
  readonly life: Life
}

/** Taken addresses that round robin tries one by one before it lists the directory instead. */
const PROBES = 1024

/**
 * Allocates from every set, keeping what the attachment holds there already. After a failure what this
 * call took is free again. Throws code 102 for a full set, 103 for a requested address that is not to be
 * had, 101 for a request that contradicts what the attachment holds.
 */
export function allocate(store: Store, wish: Wish, held: Held): Allocation[] {
  const taken: IpAddress[] = []
  const exact = bySet(wish, held.exact)
  const legacy = bySet(wish, held.legacy)
  const requested = bySet(wish, wish.requested)
  try {
    const allocations = wish.sets.map((set, at) => {
      const mine = { exact: exact.get(at) ?? [], legacy: legacy.get(at) ?? [] }
      try {
        return fromSet(store, wish, mine, set, at, requested.get(at)?.[0], taken)
      } catch (error) {
        throw toCniError(error, `failed to allocate for range ${at}`)
      }
    })
    const unused = wish.requested.filter((address) => {
      const place = wish.setOf(address)
      return place === undefined || requested.get(place)?.[0] !== address
    })
    if (unused.length > 0) {
      throw new CniError(
        ErrorCode.AddressUnavailable,
        `failed to allocate all requested IPs: ${unused.map(formatAddress).join(', ')}`,
        `one address is taken from each of the range sets ${wish.sets.map(formatRangeSet).join(' and ')}; no set was left for these`,
      )
    }
    return allocations
  } catch (error) {
    release(store, taken)
    throw error
  }
}

/** The addresses that each set allocates; those of no set under undefined. */
function bySet({ setOf }: Wish, addresses: readonly IpAddress[]): Map<number | undefined, IpAddress[]> {
  const places = new Map<number | undefined, IpAddress[]>()
  for (const address of addresses) {
    const place = setOf(address)
    const others = places.get(place)
    if (others === undefined) places.set(place, [address])
    else others.push(address)
  }
  return places
}

/** Undoes: gives back what this call took. */
export function release(store: Store, taken: readonly IpAddress[]): void {
  for (const address of taken) {
    try {
      releaseAddress(store.directory, address)
      store.changed = true
    } catch {
      store.complete = false // the first failure is reported; this lease will be found by a scan
    }
  }
}

function fromSet(
  store: Store,
  wish: Wish,
  { exact: mine, legacy: old }: Held,
  set: RangeSet,
  at: number,
  requested: IpAddress | undefined,
  taken: IpAddress[],
): Allocation {
  const kept =
    requested === undefined
      ? (mine[0] ?? old[0])
      : [...mine, ...old].find((address) => equalAddresses(address, requested))
  if (kept !== undefined) {
    if (!mine.includes(kept)) adopt(store, wish.holder, kept)
    return allocation(set, kept)
  }
  const other = mine[0] ?? old[0]
  if (requested !== undefined && other !== undefined) throw duplicate(store, wish.holder, other, requested)
  const draft = draftLease(store.directory, store.side, wish.holder)
  const last = openLastReserved(store.directory, at)
  try {
    store.changed = true
    const address =
      requested === undefined
        ? nextFree(store, wish, set, last.address, draft)
        : takeRequested(store, wish, set, requested, draft)
    taken.push(address)
    last.write(address)
    return allocation(set, address)
  } finally {
    last.close()
    discardFile(draft)
  }
}

function allocation(set: RangeSet, address: IpAddress): Allocation {
  return { address, range: rangeOf(set, address) as Range }
}

/** Makes a lease of the old form this interface's own, so that no other interface of the container gets it too. */
function adopt(store: Store, holder: Holder, address: IpAddress): void {
  store.changed = true
  const draft = draftLease(store.directory, store.side, holder)
  try {
    releaseAddress(store.directory, address)
    takeAddress(store.directory, draft, address)
  } finally {
    discardFile(draft)
  }
}

function nextFree(store: Store, wish: Wish, set: RangeSet, last: IpAddress | undefined, draft: Draft): IpAddress {
  const address = firstFree(store, set, last, draft)
  if (address !== undefined) return address
  const mine = `${store.side}/${recordName(store.network, wish.holder)}`
  if (reclaimStale(store, wish.life, mine) > 0) {
    const again = firstFree(store, set, last, draft)
    if (again !== undefined) return again
  }
  throw new CniError(
    ErrorCode.RangeExhausted,
    `no IP addresses available in range set: ${formatRangeSet(set)}`,
    explainExhaustion(store, set, capacityOf(set)),
  )
}

function firstFree(store: Store, set: RangeSet, last: IpAddress | undefined, draft: Draft): IpAddress | undefined {
  const next = roundRobin(set, last)
  for (let tries = 1; ; tries++) {
    const address = next()
    if (address === undefined) return undefined
    if (store.names?.has(formatAddress(address)) === true) continue
    if (takeAddress(store.directory, draft, address)) return address
    if (tries > PROBES && store.names === undefined) store.names = new Set(leaseNames(store.directory))
  }
}

function takeRequested(store: Store, wish: Wish, set: RangeSet, address: IpAddress, draft: Draft): IpAddress {
  const text = formatAddress(address)
  if (isGatewayOf(set, address)) {
    throw new CniError(ErrorCode.AddressUnavailable, `requested ip ${text} is subnet's gateway`)
  }
  const refuse = (why: string) =>
    new CniError(
      ErrorCode.AddressUnavailable,
      `requested IP address ${text} is not available in range set ${formatRangeSet(set)}`,
      why,
    )
  // Once more where the reference has given it back meanwhile without the lock, or it could be taken back.
  for (let tries = 2; tries > 0; tries--) {
    if (takeAddress(store.directory, draft, address)) return address
    const current = readHolder(store.directory, address)
    if (current === undefined || reclaimOne(store, address, current, wish.life)) continue
    throw refuse(current === 'damaged' ? `its file in ${store.directory} is damaged` : describe(store, current))
  }
  throw refuse(`what is in its place in ${store.directory} is no lease: look at it, and remove it`)
}

function duplicate(store: Store, holder: Holder, has: IpAddress, requested: IpAddress): CniError {
  return new CniError(
    ErrorCode.AlreadyExists,
    `${formatAddress(has)} has been allocated to ${holder.containerId}, duplicate allocation is not allowed`,
    `${describe(store, holder)}, and ${formatAddress(requested)} is requested from the same set; DEL it first`,
  )
}

/** `c1/eth0 (pod default/web) holds it since 2026-03-01T12:00:00Z, netns /run/netns/x`, as far as known. */
function describe(store: Store, { containerId, ifName }: Holder): string {
  const record = readRecord(`${store.side}/${recordName(store.network, { containerId, ifName })}`)
  const who = ifName === '' ? containerId : `${containerId}/${ifName}`
  if (record === undefined) return `${who} holds it, by another program's lease`
  const pod = record.pod === '' ? '' : ` (pod ${record.pod})`
  const netns = record.netns === '' ? '' : `, netns ${record.netns}`
  return `${who}${pod} holds it since ${formatTime(record.time)}${netns}`
}
