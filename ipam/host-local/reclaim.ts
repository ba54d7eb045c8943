/** Addresses that nobody can be using any more: given in an earlier life of the node, or to nobody legible. */

import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { stat } from '../../lib/sys/file.js'
import { warn } from '../../lib/sys/log.js'
import {
  eachLease,
  formatHolder,
  type Holder,
  holderIn,
  leaseNames,
  leasePath,
  readHolder,
  releaseAddress,
} from './leases.js'
import type { RangeSet } from './ranges.js'
import { rangeOf } from './ranges.js'
import { isOver, type Life, readRecord, recordName, recordPaths, removeRecord } from './records.js'
import type { Store } from './store.js'
import { formatTime } from './time.js'

/**
 * Releases every lease of the network that our records say is of an earlier life, and every damaged
 * one; says so on stderr, and returns how many. A lease without a record of ours is left alone.
 * `except` is the record of the attachment that is being added.
 */
export function reclaimStale(store: Store, life: Life, except: string): number {
  const released: string[] = []
  for (const path of recordPaths(store.side)) {
    if (path === except) continue
    const record = readRecord(path)
    if (record === undefined || !isOver(record, life)) continue
    for (const text of record.addresses) {
      const address = parseAddress(text)
      if (address !== undefined && isOf(readHolder(store.directory, address), record)) release(store, address, released)
    }
    removeRecord(path)
    store.changed = true
  }
  const stale = released.length
  eachLease(store.directory, leaseNames(store.directory), (address, content) => {
    if (holderIn(content) === 'damaged') release(store, address, released)
  })
  store.names = undefined
  if (released.length > 0) {
    const some = released.length > 8 ? `${released.slice(0, 8).join(', ')}, …` : released.join(', ')
    warn(
      `network ${store.network}: took back ${some}: ${stale} leased before this node's last start, ` +
        `${released.length - stale} damaged`,
    )
  }
  return released.length
}

function isOf(holder: Holder | 'damaged' | undefined, record: Holder): boolean {
  if (holder === undefined || holder === 'damaged') return holder === 'damaged'
  return holder.containerId === record.containerId && holder.ifName === record.ifName
}

function release(store: Store, address: IpAddress, released: string[]): void {
  store.changed = true
  if (releaseAddress(store.directory, address)) released.push(formatAddress(address))
}

/** Makes one wanted address free where its lease is damaged or of an earlier life. */
export function reclaimOne(store: Store, address: IpAddress, holder: Holder | 'damaged', life: Life): boolean {
  if (holder !== 'damaged') {
    const record = readRecord(`${store.side}/${recordName(store.network, holder)}`)
    if (record === undefined || !isOver(record, life)) return false
    if (!record.addresses.includes(formatAddress(address))) return false
  }
  const released: string[] = []
  release(store, address, released)
  warn(`network ${store.network}: took back ${released.join()}, leased before this node's last start, or damaged`)
  return true
}

/** Whether `reclaimStale` would free an address of the set. Reads until it finds one. */
export function isReclaimable(directory: string, side: string, set: RangeSet, life: Life): boolean {
  for (const path of recordPaths(side)) {
    const record = readRecord(path)
    if (record === undefined || !isOver(record, life)) continue
    for (const text of record.addresses) {
      const address = parseAddress(text)
      if (
        address !== undefined &&
        rangeOf(set, address) !== undefined &&
        isOf(readHolder(directory, address), record)
      ) {
        return true
      }
    }
  }
  let damaged = false
  eachLease(directory, leaseNames(directory), (address, content) => {
    damaged ||= rangeOf(set, address) !== undefined && holderIn(content) === 'damaged'
  })
  return damaged
}

/** Who has a full set's addresses, since when, and what to do: the `details` of the error. */
export function explainExhaustion(store: Store, set: RangeSet, capacity: number): string {
  const recorded = new Map<string, string>()
  for (const path of recordPaths(store.side)) {
    const record = readRecord(path)
    for (const address of record?.addresses ?? []) recorded.set(address, formatHolder(record as Holder))
  }
  let live = 0
  let strangers = 0
  let since = Number.POSITIVE_INFINITY
  eachLease(store.directory, leaseNames(store.directory), (address, content) => {
    if (rangeOf(set, address) === undefined) return
    const holder = holderIn(content)
    if (holder !== 'damaged' && recorded.get(formatAddress(address)) === formatHolder(holder)) live++
    else strangers++
    since = Math.min(since, stat(leasePath(store.directory, address))?.modified.seconds ?? since)
  })
  const oldest = since === Number.POSITIVE_INFINITY ? '' : `, the oldest since ${formatTime(since * 1000)}`
  const fix =
    strangers === 0
      ? 'widen the range, or remove pods'
      : `where the container of one is gone, remove its file in ${store.directory}, or let the runtime run GC`
  return (
    `${live + strangers} of ${capacity} addresses are leased${oldest}: ${live} by flatnet since this node's last start, ` +
    `0 left over from before, ${strangers} without a record of flatnet (another program's, never taken back by themselves); ${fix}`
  )
}
