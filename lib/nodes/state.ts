/**
 * What this node remembers of a network's last application, in `<stateDir>/<network>/<plugin>/`:
 *
 * - `stamp`: what it depended on, small, read by every ADD
 * - `applied`: the routes it made, so that it removes only those
 * - `peers`: neighbours and FDB entries in lines of one length, so that a few can be looked at
 * - `excluded`: what pods reach under their own addresses (lib/nodes/excluded)
 *
 * All of it is worthless in another boot or another network namespace, and says which it is of.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { replaceFile, withDirectory } from '../store/atomic.js'
import { bootId } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { close, open, read, readAll, readDirectory, readText, seekFromEnd, stat, unlink, writeAt } from '../sys/file.js'
import { lockRange } from '../sys/lock.js'
import { buildId, processId } from '../sys/process.js'
import { decodeUtf8, encodeUtf8, hex } from '../sys/text.js'
import type { Mode, Settings } from './settings.js'
import type { TableMark } from './source.js'

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
  unlink(`${directory}/stamp`)
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

function entriesOf(directory: string): readonly { readonly name: string }[] {
  try {
    return readDirectory(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

export function writePeers(directory: string, peers: readonly PeerSample[]): void {
  const lines = peers.map(({ address, mac, to }) => `${`${address} ${mac} ${to}`.padEnd(LINE - 1)}\n`)
  replaceFile(`${directory}/peers`, encodeUtf8(lines.join('')))
}

/** One line of `peers`, counted from its end; undefined where the file is not what it should be. */
export function readPeer(directory: string, fromEnd: number): PeerSample | undefined {
  let fd: number
  try {
    fd = open(`${directory}/peers`)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
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

/** Runs `work` alone on this network. Throws code 11, naming the holder, where another call keeps it for 30 s. */
export function locked<T>(directory: string, work: () => T): T {
  const path = `${directory}/lock`
  const fd = withDirectory(directory, () => open(path, { mode: 'readwrite', create: true }))
  try {
    if (!lockRange(fd, PATIENCE)) {
      const holder = (decodeUtf8(readAll(fd, 64, path)) ?? '').trim()
      throw new CniError(
        ErrorCode.TryAgainLater,
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
