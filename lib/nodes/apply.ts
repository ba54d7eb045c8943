/**
 * Makes the kernel what the table says. Whatever one peer's entries meet, the others' are applied; what
 * was refused is told by peer.
 */

import { formatAddress } from '../ip/address.js'
import type { Netlink } from '../netlink/netlink.js'
import { TABLE_MAIN } from '../netlink/routes.js'
import { monotonic } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { linkLooks, weigh } from './confirm.js'
import type { Desired, Refusal } from './desired.js'
import { ensureDevice, isDeviceOf } from './device.js'
import { type Change, difference } from './difference.js'
import { applyExclusion } from './exclusion.js'
import { readFacts } from './facts.js'
import { keysOf, ownership, readHistory, readPresent, wish } from './plan.js'
import { describeChange, requestFor } from './requests.js'
import { openFilters } from './return-path.js'
import type { Settings } from './settings.js'
import type { LoadedTable, TableSource } from './source.js'
import {
  type Applied,
  forget,
  type Here,
  type Stamp,
  stateDirectory,
  writeApplied,
  writePeers,
  writeStamp,
} from './state.js'
import { setTxChecksum } from './tx-checksum.js'

export interface Application {
  readonly desired: Desired
  /** What was changed, a line each, in the words of `ip` and `bridge`. */
  readonly changes: readonly string[]
  readonly refused: readonly Refusal[]
  readonly stamp: Stamp
}

/** Milliseconds until peers that the kernel refused are tried again without anything having changed. */
const RETRY = 10_000

/** Applies the difference and stamps it. The caller holds the network's lock. Throws what concerns the whole node. */
export function applyTable(
  netlink: Netlink,
  table: LoadedTable,
  settings: Settings,
  source: TableSource,
  here: Here,
  key: string,
): Application {
  const directory = stateDirectory(settings)
  let facts = readFacts(netlink)
  const desired = wish(table.nodes, facts, settings, source)
  const history = readHistory(settings, here)
  const changes: string[] = []

  const wanted = desired.device
  const device = wanted === undefined ? undefined : ensureDevice(netlink, settings.network, wanted, facts.links)
  if (wanted !== undefined && device !== undefined) {
    changes.push(...device.did)
    if (device.created || wanted.txChecksum !== 'auto') {
      changes.push(...setTxChecksum(device.index, wanted, facts, desired.uplinks))
    }
  } else {
    for (const link of facts.links) {
      if (!isDeviceOf(settings.network, link)) continue
      netlink.links.delete(link.index)
      changes.push(`- link ${link.name} (the network has no tunnel now)`)
    }
  }
  // A link that went or changed its hardware address took entries along.
  if (changes.length > 0)
    facts = { ...facts, links: netlink.links.list(), routes: netlink.routes.list({ table: TABLE_MAIN }) }

  const own = ownership(history, device?.index, desired.device)
  const found = difference(desired, readPresent(netlink, facts, own), own)
  const names = new Map(facts.links.map(({ index, name }) => [index, name]))
  const linkName = (index: number) => names.get(index) ?? `if${index}`
  const deviceName = desired.device?.name ?? ''
  remember(directory, here, settings, desired, history.own)
  const failures = netlink.batch(found.changes.map((change) => requestFor(change, device?.index ?? 0)))
  const failed = new Set<Change>()
  const refused: Refusal[] = [...desired.refused, ...found.conflicts]
  let refusals = found.conflicts.length
  for (const { index, error } of failures) {
    const change = found.changes[index] as Change
    failed.add(change)
    if (change.action === 'remove' && isErrno(error, 'ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENODEV')) continue
    refusals++
    refused.push({ node: change.node, reason: `${describeChange(change, deviceName, linkName)}: ${error.message}` })
  }
  for (const change of found.changes)
    if (!failed.has(change)) changes.push(describeChange(change, deviceName, linkName))
  changes.push(...openFilters(desired.entrances.map(linkName)))

  settle(directory, here, settings, desired, history.own)
  const excluded = applyExclusion(settings, table.nodes)
  changes.push(...excluded.changes)
  const stamp: Stamp = {
    ...stampOf(netlink, table, desired, device?.index ?? 0, key),
    retryAt: refusals > 0 ? monotonic() + RETRY : undefined,
    masquerade: excluded.stamp,
  }
  writePeers(directory, samplesOf(desired))
  writeStamp(directory, here, stamp)
  return { desired, changes, refused, stamp }
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

function appliedOf({ network, mode }: Settings, desired: Desired): Applied {
  return { network, mode, routes: keysOf(desired), tables: [...new Set(desired.rules.map(({ table }) => table))] }
}

function stampOf(
  netlink: Netlink,
  { mark }: LoadedTable,
  desired: Desired,
  device: number,
  settings: string,
): Omit<Stamp, 'retryAt' | 'masquerade'> {
  const families = ([4, 6] as const).filter((family) =>
    desired.self.podCIDRs.some(({ address }) => address.family === family),
  )
  const watched = [...desired.uplinks, ...(device === 0 ? [] : [device])]
  // A peer out of reach may come into reach by any new address.
  if (desired.refused.length > 0) watched.push(0)
  return {
    settings,
    table: mark,
    links: watched.map((index) => [index, linkLooks(netlink, index)] as const),
    weight: weigh(netlink, families, device !== 0),
    device,
    peers: desired.neighbours.length,
    podMtu: desired.podMtu,
    families,
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
