/** Which addresses an attachment holds, at the cost of a few reads however many leases there are. */

import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { createFile, withDirectory } from '../../lib/store/atomic.js'
import { bootId } from '../../lib/sys/clock.js'
import { clearAway, isOdd } from '../../lib/sys/content.js'
import { isErrno, SysError } from '../../lib/sys/errno.js'
import { close, open, readAt } from '../../lib/sys/file.js'
import { encodeUtf8, sha256 } from '../../lib/sys/text.js'
import { buildCatalogue, type CatalogueBuilder, searchCatalogue } from './catalogue.js'
import { eachLease, formatHolder, type Holder, leaseNames, readHolder } from './leases.js'
import { type LeaseRecord, readRecord, recordName, recordPaths, removeRecord } from './records.js'
import type { Store } from './store.js'

export interface Found {
  /** Leases of exactly this container and interface. */
  readonly exact: IpAddress[]
  /** Leases of the old form, of this container. */
  readonly legacy: IpAddress[]
  readonly record: LeaseRecord | undefined
  readonly recordPath: string
}

/**
 * What `holder` holds. Everything the record or the catalogue names is confirmed by the lease itself.
 * Where someone else wrote to the store since our last call, every lease is read once more, unless
 * `enough` is content with what the record gave already.
 */
export function findLeases(store: Store, holder: Holder, enough: (exact: readonly IpAddress[]) => boolean): Found {
  const recordPath = `${store.side}/${recordName(store.network, holder)}`
  const record = readRecord(recordPath)
  if (record !== undefined && record.addresses.length === 0) store.complete = false // torn: it has lost them
  const seen = new Set<string>()
  const found: Found = { exact: [], legacy: [], record, recordPath }
  const confirm = (address: IpAddress | undefined) => {
    if (address === undefined || seen.has(formatAddress(address))) return
    seen.add(formatAddress(address))
    const current = readHolder(store.directory, address)
    if (current === undefined || current === 'damaged' || current.containerId !== holder.containerId) return
    if (current.ifName === holder.ifName) found.exact.push(address)
    else if (current.ifName === '') found.legacy.push(address)
  }
  for (const address of record?.addresses ?? []) confirm(parseAddress(address))
  if (enough(found.exact)) return found
  const known = store.complete ? fromCatalogue(store, holder) : undefined
  const candidates = known ?? scan(store, holder)
  for (const address of candidates) confirm(address)
  return found
}

function cataloguePath(store: Store): string {
  return `${store.side}/catalogue`
}

function contentsOf(holder: Holder): Uint8Array[] {
  return [encodeUtf8(formatHolder(holder)), encodeUtf8(holder.containerId)]
}

/** Undefined where the catalogue is not to be trusted. */
function fromCatalogue(store: Store, holder: Holder): IpAddress[] | undefined {
  const path = cataloguePath(store)
  let fd: number
  try {
    fd = open(path, { noFollow: true })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    if (isOdd(path, error)) return undefined
    throw error
  }
  try {
    const read = (offset: number, length: number) => {
      const buffer = new Uint8Array(length)
      return buffer.subarray(0, readAt(fd, buffer, offset, path))
    }
    return searchCatalogue(read, contentsOf(holder).map(sha256), sha256(encodeUtf8(bootId())))
  } catch (error) {
    if (isOdd(path, error)) return undefined
    throw error
  } finally {
    close(fd)
  }
}

/** So many leases are worth a catalogue even to DEL, which otherwise creates nothing; so many orphans, a sweep. */
const MANY = 256

/** Reads every lease, keeps what was learnt in a new catalogue, and returns the holder's addresses. */
function scan(store: Store, holder: Holder): IpAddress[] {
  const wanted = contentsOf(holder).map(sha256)
  const mine: IpAddress[] = []
  const catalogue = buildCatalogue()
  const names = leaseNames(store.directory)
  store.complete = false
  eachLease(store.directory, names, (address, content) => {
    const digest = sha256(content)
    catalogue.add(digest, address)
    for (const candidate of wanted) if (candidate[0] === digest[0] && equal(candidate, digest)) mine.push(address)
  })
  store.names = new Set(names)
  const remain = names.length - (store.creates ? 0 : mine.length)
  if (store.creates || remain === 0 || remain >= MANY) saveCatalogue(store, remain === 0 ? undefined : catalogue)
  dropOrphans(store, names.length)
  return mine
}

/** Removes records whose leases others have released, once there are many more records than leases. */
function dropOrphans(store: Store, leases: number): void {
  const paths = recordPaths(store.side)
  if (paths.length < leases + MANY) return
  for (const path of paths) {
    const record = readRecord(path)
    if (record === undefined) continue
    const holds = record.addresses.some((text) => {
      const address = parseAddress(text)
      const holder = address === undefined ? undefined : readHolder(store.directory, address)
      return holder !== undefined && (holder === 'damaged' || formatHolder(holder) === formatHolder(record))
    })
    if (!holds) removeRecord(path)
  }
  store.changed = true
}

/**
 * Puts a new catalogue, or none, in the place of the old. A kill in between leaves the store unsealed, and so does a
 * catalogue that cannot be written: that makes the next search slower, and must not stop a call.
 */
export function saveCatalogue(store: Store, catalogue: CatalogueBuilder | undefined): void {
  const path = cataloguePath(store)
  store.complete = false
  store.changed = true
  try {
    if (!clearAway(path)) return
    if (catalogue !== undefined) {
      withDirectory(store.side, () => createFile(path, catalogue.finish(sha256(encodeUtf8(bootId())))))
    }
    store.complete = true
  } catch (error) {
    if (!(error instanceof SysError)) throw error
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}
