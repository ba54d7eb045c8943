/**
 * What this node remembers of a network's last application, in `<stateDir>/<network>/<plugin>/`:
 *
 * - `stamp`: what it depended on, small, read by every ADD
 * - `applied`: the routes it made, so that it removes only those
 * - `peers`: neighbours and FDB entries in lines of one length, so that a few can be looked at
 * - `excluded`: what pods reach under their own addresses (lib/nodes/exclusions)
 *
 * All of it is worthless in another boot or another network namespace, and says which it is of.
 */

import { formatAddress, parseAddress } from '../ip/address.js'
import type { Netlink } from '../netlink/netlink.js'
import { makeRoom, replaceFile, withDirectory } from '../store/atomic.js'
import { bootId, monotonic } from '../sys/clock.js'
import { entriesOf, isOdd, openContent, readText, requireFile } from '../sys/content.js'
import { isErrno } from '../sys/errno.js'
import { close, open, read, readAll, seekFromEnd, stat, unlink, writeAt } from '../sys/file.js'
import { lockRange } from '../sys/lock.js'
import { buildId, processId, randomBytes } from '../sys/process.js'
import { decodeUtf8, encodeUtf8, hex } from '../sys/text.js'
import type { Desired, DesiredDevice } from './desired.js'
import { type Ownership, routeKey } from './diff.js'
import { NodesError } from './error.js'
import { TABLE_BASE } from './identity.js'
import type { Mode, Settings } from './model.js'
import { linkLooks, weigh } from './observe.js'
import { isUnchanged, type TableMark, type TableSource } from './source.js'

/** The boot and the network namespace that a file speaks of. */
export interface Here {
  readonly boot: string
  /** `SO_NETNS_COOKIE`. */
  readonly cookie: string
}

export function hereIs(cookie: string): Here {
  return { boot: bootId(), cookie }
}

export interface Stamp {
  /** The settings as text. */
  readonly settings: string
  readonly table: TableMark
  /** The table's file; `''` for an inline table. */
  readonly file: string
  /** Index and looks of each link that the application depended on; index 0 stands for all addresses. */
  readonly links: readonly (readonly [index: number, looks: string])[]
  /** What our routes and rules weigh. */
  readonly weight: string
  /** The tunnel's link; 0 without one. */
  readonly device: number
  /** How many lines `peers` has. */
  readonly peers: number
  readonly podMtu: number | undefined
  /** Pods of these families live here. */
  readonly families: readonly (4 | 6)[]
  /** Monotonic milliseconds from when on peers that the kernel refused are tried again. */
  readonly retryAt: number | undefined
  /** Which entry of the table this node is, and what its pods' addresses are taken from. */
  readonly node: string
  readonly podCIDRs: readonly string[]
  /** What could not be served, in one line; undefined where all was. */
  readonly trouble: string | undefined
  /** The set of masquerading's that was filled with the nodes; undefined where the network was not masqueraded. */
  readonly masquerade: string | undefined
}

export interface Applied {
  readonly network: string
  readonly mode: Mode
  /** Keys (`routeKey`) of our routes. */
  readonly routes: readonly string[]
  /** Tables of our own. */
  readonly tables: readonly number[]
}

export interface PeerSample {
  /** Neighbour's address and hardware address, and where the FDB entry leads, as text. */
  readonly address: string
  readonly mac: string
  readonly to: string
}

/** Room for two IPv6 addresses and a hardware address. */
const LINE = 112

const PATIENCE = 30_000

export function stateDirectory({ stateDir, network, mode }: Pick<Settings, 'stateDir' | 'network' | 'mode'>): string {
  return `${stateDir}/${network}/${mode}`
}

/** The stamp of this boot, namespace and build; undefined where there is none. */
export function readStamp(directory: string, here: Here): Stamp | undefined {
  const value = parse<Stamp & { build: string }>(readText(`${directory}/stamp`), here)
  return value?.build === hex(buildId()) ? value : undefined
}

export function writeStamp(directory: string, here: Here, stamp: Stamp): void {
  write(`${directory}/stamp`, { ...here, build: hex(buildId()), ...stamp })
}

/** The next call applies the table, whatever it finds. */
export function removeStamp(directory: string): void {
  makeRoom(`${directory}/stamp`)
}

export function readApplied(directory: string, here: Here): Applied | undefined {
  return parse<Applied>(readText(`${directory}/applied`), here)
}

export function writeApplied(directory: string, here: Here, applied: Applied): void {
  write(`${directory}/applied`, { ...here, ...applied })
}

/** Forgets a network's application by a plugin that it no longer uses. */
export function forget(directory: string): void {
  for (const name of ['stamp', 'applied', 'peers', 'excluded']) unlink(`${directory}/${name}`)
}

/** What every network of this node applied, here and now. */
export function everyApplied(stateDir: string, here: Here): Applied[] {
  const found: Applied[] = []
  for (const { name } of entriesOf(stateDir)) {
    for (const mode of ['host-gw', 'vxlan'] as const) {
      const applied = readApplied(`${stateDir}/${name}/${mode}`, here)
      if (applied !== undefined) found.push(applied)
    }
  }
  return found
}

/** What this network made before, by either plugin, and what other networks did. */
export interface History {
  readonly own: readonly Applied[]
  readonly others: readonly Applied[]
}

export function readHistory({ stateDir, network }: Settings, here: Here): History {
  const all = everyApplied(stateDir, here)
  return {
    own: all.filter((applied) => applied.network === network),
    others: all.filter((applied) => applied.network !== network),
  }
}

/** What of the kernel's is this network's; `device` is the tunnel's index where it is there. */
export function ownership(
  { own, others }: History,
  device: number | undefined,
  wanted: DesiredDevice | undefined,
): Ownership {
  const claimed = new Map<string, string>()
  for (const { network, routes } of others) for (const key of routes) claimed.set(key, network)
  const tables = new Set(own.flatMap((applied) => applied.tables))
  if (wanted !== undefined) tables.add(TABLE_BASE + wanted.vni)
  return { device, applied: new Set(own.flatMap(({ routes }) => routes)), others: claimed, tables }
}

/** What an application claims. */
export function appliedOf({ network, mode }: Settings, desired: Desired): Applied {
  const tables = [...new Set(desired.rules.map(({ table }) => table))]
  return { network, mode, routes: desired.routes.map((route) => routeKey(route)), tables }
}

export function writePeers(directory: string, peers: readonly PeerSample[]): void {
  const lines = peers.map(({ address, mac, to }) => `${`${address} ${mac} ${to}`.padEnd(LINE - 1)}\n`)
  // It is read in parts, however large it is.
  replaceFile(`${directory}/peers`, encodeUtf8(lines.join('')), Number.POSITIVE_INFINITY)
}

/** One line of `peers`, counted from its end; undefined where the file is not what it should be. */
export function readPeer(directory: string, fromEnd: number): PeerSample | undefined {
  const fd = openContent(`${directory}/peers`)
  if (fd === undefined) return undefined
  try {
    if ((stat(fd)?.size ?? 0) < (fromEnd + 1) * LINE) return undefined
    seekFromEnd(fd, (fromEnd + 1) * LINE)
    const bytes = new Uint8Array(LINE)
    if (read(fd, bytes) !== LINE) return undefined
    const [address, mac, to] = (decodeUtf8(bytes) ?? '').trim().split(' ')
    return address === undefined || mac === undefined || to === undefined ? undefined : { address, mac, to }
  } finally {
    close(fd)
  }
}

/** Whatever else has the name of the lock makes room for it. Code 5 for a directory. */
function openLock(path: string): number {
  const options = { mode: 'readwrite', create: true, noFollow: true } as const
  try {
    const fd = open(path, options)
    try {
      requireFile(stat(fd), path)
      return fd
    } catch (error) {
      close(fd)
      throw error
    }
  } catch (error) {
    if (!isOdd(path, error)) throw error
    makeRoom(path)
    return open(path, options)
  }
}

/** Runs `work` alone on this network. Throws code 11, naming the holder, where another call keeps it for 30 s. */
export function locked<T>(directory: string, work: () => T): T {
  const path = `${directory}/lock`
  const fd = withDirectory(directory, () => openLock(path))
  try {
    if (!lockRange(fd, PATIENCE)) {
      const holder = (decodeUtf8(readAll(fd, 64, path)) ?? '').trim()
      throw new NodesError(
        'not-yet',
        `the table of nodes is being applied by another call for ${PATIENCE / 1000} s`,
        `it holds ${path}: ps -fp ${holder}`,
      )
    }
    writeAt(fd, encodeUtf8(String(processId()).padEnd(16)), 0, path)
    return work()
  } finally {
    close(fd)
  }
}

function write(path: string, value: object): void {
  replaceFile(path, encodeUtf8(JSON.stringify({ version: 1, ...value })))
}

/** Undefined for what is missing, torn, of another version, boot or namespace. */
function parse<T>(text: string | undefined, here: Here): T | undefined {
  if (text === undefined) return undefined
  let value: { version?: unknown; boot?: unknown; cookie?: unknown } | null
  try {
    value = JSON.parse(text) as typeof value
  } catch {
    return undefined
  }
  const ours = value?.version === 1 && value.boot === here.boot && value.cookie === here.cookie
  return ours ? (value as T) : undefined
}

/** Peers whose neighbour and FDB entry are looked at, each time others. */
const SAMPLE = 2

/**
 * Whether the last application still stands, which is all that an ADD pays for when nothing has changed: settings, table,
 * links, routes and a sample of the peers are as the stamp has them. Cheap things first.
 */
export function stillStands(
  netlink: Netlink,
  directory: string,
  stamp: Stamp,
  settings: string,
  source: TableSource,
): boolean {
  if (stamp.settings !== settings || !isUnchanged(source, stamp.table)) return false
  if (stamp.retryAt !== undefined && monotonic() > stamp.retryAt) return false
  for (const [index, looks] of stamp.links) if (linkLooks(netlink, index) !== looks) return false
  if (weigh(netlink, stamp.families, stamp.device !== 0) !== stamp.weight) return false
  return stamp.peers === 0 || sampleStands(netlink, directory, stamp)
}

function sampleStands(netlink: Netlink, directory: string, { peers, device }: Stamp): boolean {
  const random = randomBytes(SAMPLE * 2)
  for (let at = 0; at < Math.min(SAMPLE, peers); at++) {
    const chosen = ((random[at * 2] as number) * 256 + (random[at * 2 + 1] as number)) % peers
    const peer = readPeer(directory, chosen)
    const address = peer === undefined ? undefined : parseAddress(peer.address)
    if (peer === undefined || address === undefined) return false
    try {
      const neighbour = netlink.neighbours.get(device, address)
      if (neighbour.mac !== peer.mac || neighbour.state !== 'permanent') return false
      const { to } = netlink.fdb.get(device, { mac: peer.mac, self: true })
      if (to === undefined || formatAddress(to) !== peer.to) return false
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENODEV', 'ESRCH')) return false
      throw error
    }
  }
  return true
}
