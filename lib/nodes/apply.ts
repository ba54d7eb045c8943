/**
 * Makes the kernel what the table says. Whatever one peer's entries meet, the others' are applied; what could not be
 * served is listed by peer.
 */

import { formatAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { monotonic } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { describeChange, requestFor } from './changes.js'
import type { Desired, Refusal } from './desired.js'
import { ensureDevice, isDeviceOf, setTxChecksum } from './device.js'
import { type Change, difference } from './diff.js'
import { applyExclusion } from './exclusions.js'
import { familiesOf, type Settings } from './model.js'
import { type Facts, linkLooks, readFacts, readPresent, weigh } from './observe.js'
import { planFor } from './plan.js'
import { openFilters } from './return-path.js'
import type { LoadedTable } from './source.js'
import {
  type Applied,
  appliedOf,
  forget,
  type Here,
  ownership,
  readHistory,
  type Stamp,
  stateDirectory,
  writeApplied,
  writePeers,
  writeStamp,
} from './stamp.js'

export interface Application {
  readonly desired: Desired
  /** What was changed, a line each, in the words of `ip` and `bridge`. */
  readonly changes: readonly string[]
  readonly refused: readonly Refusal[]
  readonly stamp: Stamp
}

/** Milliseconds until peers that the kernel refused are tried again without anything having changed. */
const RETRY = 10_000

/** Of what could not be served a line names so many. */
const NAMED = 3

/** What is applied: a table, with the settings and in the place where it holds. */
export interface Work {
  readonly table: LoadedTable
  readonly settings: Settings
  /** Whose pointers errors have. */
  readonly place: string
  readonly here: Here
  /** The settings as text. */
  readonly key: string
}

/** Applies the difference and stamps it. The caller holds the network's lock. Throws what concerns the whole node. */
export function applyTable(netlink: Netlink, work: Work): Application {
  const { table, settings, place, here } = work
  const directory = stateDirectory(settings)
  const before = readFacts(netlink)
  const desired = planFor(table.nodes, before, settings, place)
  const history = readHistory(settings, here)
  const device = applyDevice(netlink, settings, desired, before)
  // A link that went or changed its hardware address took entries along.
  const facts = device.changes.length === 0 ? before : again(netlink, before)

  const own = ownership(history, device.index, desired.device)
  const found = difference(desired, readPresent(netlink, facts, own), own)
  remember(directory, here, settings, desired, history.own)
  const done = commit(netlink, found.changes, device.index ?? 0, desired.device?.name ?? '', namesOf(facts.links))
  const filters = openFilters(desired.entrances.map(namesOf(facts.links)))
  settle(directory, here, settings, desired, history.own)
  const excluded = applyExclusion(settings, table.nodes)

  const refused = [...desired.refused, ...found.conflicts, ...done.refused]
  const mayPass = found.conflicts.length + done.refused.length > 0
  const stamp: Stamp = {
    ...stampOf(netlink, work, desired, device.index ?? 0),
    retryAt: mayPass ? monotonic() + RETRY : undefined,
    trouble: troubleOf(refused),
    masquerade: excluded.stamp,
  }
  writePeers(directory, samplesOf(desired))
  writeStamp(directory, here, stamp)
  return { desired, changes: [...device.changes, ...done.changes, ...filters, ...excluded.changes], refused, stamp }
}

/** What could not be served, in one line; undefined where all was. */
export function troubleOf(refused: readonly Refusal[]): string | undefined {
  if (refused.length === 0) return undefined
  const more = refused.length - NAMED
  const named = refused.slice(0, NAMED).map(({ reason }) => reason)
  return `${named.join('; ')}${more > 0 ? `; and ${more} more, which flatnet sync names` : ''}`
}

interface AppliedDevice {
  /** Of the tunnel's link; undefined without one. */
  readonly index: number | undefined
  readonly changes: readonly string[]
}

/** Makes the tunnel's link what it should be, or removes it where there should be none. */
function applyDevice(netlink: Netlink, { network }: Settings, desired: Desired, facts: Facts): AppliedDevice {
  const wanted = desired.device
  if (wanted === undefined) {
    const stale = facts.links.filter((link) => isDeviceOf(network, link))
    for (const { index } of stale) netlink.links.delete(index)
    return { index: undefined, changes: stale.map(({ name }) => `- link ${name} (the network has no tunnel now)`) }
  }
  const { index, did, created } = ensureDevice(netlink, network, wanted, facts.links)
  if (!created && wanted.txChecksum === 'auto') return { index, changes: did }
  const uplinks = facts.links.filter((link) => desired.uplinks.includes(link.index))
  return { index, changes: [...did, ...setTxChecksum(index, wanted, uplinks)] }
}

function again(netlink: Netlink, facts: Facts): Facts {
  return { ...facts, links: netlink.links.list(), routes: netlink.routes.list({ table: TABLE_MAIN }) }
}

function namesOf(links: readonly Link[]): (index: number) => string {
  const names = new Map(links.map(({ index, name }) => [index, name]))
  return (index) => names.get(index) ?? `if${index}`
}

/** Sends all changes; what was done, and what the kernel refused. What was to go and is gone is neither. */
function commit(
  netlink: Netlink,
  changes: readonly Change[],
  device: number,
  deviceName: string,
  linkName: (index: number) => string,
): { readonly changes: string[]; readonly refused: Refusal[] } {
  const failures = netlink.batch(changes.map((change) => requestFor(change, device)))
  const failed = new Set<Change>()
  const refused: Refusal[] = []
  for (const { index, error } of failures) {
    const change = changes[index] as Change
    failed.add(change)
    if (change.action === 'remove' && isErrno(error, 'ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENODEV')) continue
    refused.push({ node: change.node, reason: `${describeChange(change, deviceName, linkName)}: ${error.message}` })
  }
  const done = changes.filter((change) => !failed.has(change))
  return { changes: done.map((change) => describeChange(change, deviceName, linkName)), refused }
}

/** Before the first change: what was ours and what will be, so that whatever a kill leaves behind has an owner. */
function remember(
  directory: string,
  here: Here,
  settings: Settings,
  desired: Desired,
  before: readonly Applied[],
): void {
  const next = appliedOf(settings, desired)
  const routes = new Set([...next.routes, ...before.flatMap((applied) => applied.routes)])
  const tables = new Set([...next.tables, ...before.flatMap((applied) => applied.tables)])
  const [only] = before
  if (before.length === 1 && only?.mode === settings.mode && only.routes.length === routes.size) return
  writeApplied(directory, here, { ...next, routes: [...routes], tables: [...tables] })
}

/** After the last: what is ours. The other plugin's memory of this network is taken over. */
function settle(directory: string, here: Here, settings: Settings, desired: Desired, before: readonly Applied[]): void {
  const next = appliedOf(settings, desired)
  const [only] = before
  const same = before.length === 1 && only?.mode === settings.mode && only.routes.length === next.routes.length
  const known = new Set(only?.routes)
  if (!same || !next.routes.every((route) => known.has(route))) writeApplied(directory, here, next)
  for (const { mode } of before) if (mode !== settings.mode) forget(stateDirectory({ ...settings, mode }))
}

function stampOf(
  netlink: Netlink,
  { table, key }: Work,
  desired: Desired,
  device: number,
): Omit<Stamp, 'retryAt' | 'trouble' | 'masquerade'> {
  const { self } = desired
  const families = familiesOf(self)
  const watched = [...desired.uplinks, ...(device === 0 ? [] : [device])]
  // A peer out of reach may come into reach by any new address.
  if (desired.refused.length > 0) watched.push(0)
  return {
    settings: key,
    table: table.mark,
    file: table.file,
    links: watched.map((index) => [index, linkLooks(netlink, index)] as const),
    weight: weigh(netlink, families, device !== 0),
    device,
    peers: desired.neighbours.length,
    podMtu: desired.podMtu,
    families,
    node: self.name,
    podCIDRs: self.podCIDRs.map(formatPrefix),
  }
}

function samplesOf({ neighbours, fdb }: Desired) {
  const destinations = new Map(fdb.map(({ mac, to }) => [mac, formatAddress(to)]))
  return neighbours.map(({ address, mac }) => ({
    address: formatAddress(address),
    mac,
    to: destinations.get(mac) ?? '',
  }))
}
