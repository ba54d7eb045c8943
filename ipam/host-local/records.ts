/**
 * Our record of an attachment's leases, `<dataDir>/.flatnet/<network>/<key>.json`: which addresses, and
 * in which life of this node they were given. What the reference's format has no room for.
 */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { makeRoom, withDirectory } from '../../lib/store/atomic.js'
import { attachmentKey } from '../../lib/store/key.js'
import { bootId } from '../../lib/sys/clock.js'
import { entriesOf, isOdd, LARGEST, readContent } from '../../lib/sys/content.js'
import { close, open, unlink, writeAll } from '../../lib/sys/file.js'
import { AF_UNIX, namespaceCookie, openSocket, SOCK_DGRAM } from '../../lib/sys/socket.js'
import { decodeUtf8, encodeUtf8 } from '../../lib/sys/text.js'
import type { Holder } from './leases.js'

/** One life of a node: a boot, and a network namespace in it (a node may be a container that restarts). */
export interface Life {
  readonly boot: string
  /** `SO_NETNS_COOKIE`; `''` where the kernel has none. */
  readonly node: string
}

export interface LeaseRecord extends Holder, Life {
  /** In canonical spelling. */
  readonly addresses: readonly string[]
  /** Milliseconds since 1970, for people. */
  readonly time: number
  readonly netns: string
  /** `namespace/name`, or `''`. */
  readonly pod: string
}

export function currentLife(): Life {
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0)
  try {
    return { boot: bootId(), node: namespaceCookie(fd) }
  } finally {
    close(fd)
  }
}

/** Whether what was recorded in `then` cannot be alive in `now`. Where either is unknown it may be. */
export function isOver(then: Life, now: Life): boolean {
  if (then.boot !== '' && now.boot !== '' && then.boot !== now.boot) return true
  return then.node !== '' && now.node !== '' && then.node !== now.node
}

export function recordName(network: string, { containerId, ifName }: Holder): string {
  return `${attachmentKey(network, containerId, ifName)}.json`
}

/** Undefined where there is none. A damaged one has no addresses: its leases are found by a scan. */
export function readRecord(path: string): LeaseRecord | undefined {
  const content = readContent(path, LARGEST)
  return content === undefined ? undefined : parseRecord(decodeUtf8(content) ?? '')
}

const DAMAGED: LeaseRecord = {
  containerId: '',
  ifName: '',
  boot: '',
  node: '',
  addresses: [],
  time: 0,
  netns: '',
  pod: '',
}

export function parseRecord(text: string): LeaseRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return DAMAGED
  }
  const { version, addresses, time, ...rest } = (value ?? {}) as Record<string, unknown>
  const word = (key: string) => (typeof rest[key] === 'string' ? (rest[key] as string) : '')
  if (version !== 1 || !Array.isArray(addresses)) return DAMAGED
  return {
    containerId: word('containerId'),
    ifName: word('ifName'),
    boot: word('boot'),
    node: word('node'),
    netns: word('netns'),
    pod: word('pod'),
    time: typeof time === 'number' ? time : 0,
    addresses: addresses.filter((address) => typeof address === 'string'),
  }
}

/**
 * Writes a record, in the place of an earlier one. A kill may leave it torn or absent; it leaves the store
 * unsealed too (the earlier file is removed, not overwritten), so the next call reads the leases themselves.
 * Code 7 for one that would be too large to be read.
 */
export function writeRecord(side: string, path: string, record: LeaseRecord, replaces: boolean): void {
  const bytes = encodeUtf8(`${JSON.stringify({ version: 1, ...record })}\n`)
  if (bytes.length > LARGEST) throw tooLarge(record, bytes.length)
  if (replaces) makeRoom(path)
  const fd = withDirectory(side, () => openToWrite(path))
  try {
    writeAll(fd, bytes, path)
  } finally {
    close(fd)
  }
}

function tooLarge({ containerId, ifName, addresses }: LeaseRecord, size: number): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `the record of the leases of ${containerId}/${ifName} would have ${size} bytes, more than ${LARGEST}, which is the limit`,
    `it has ${addresses.length} addresses, one of each range set: configure fewer range sets`,
  )
}

function openToWrite(path: string): number {
  const create = () => open(path, { mode: 'write', create: true, truncate: true, noFollow: true })
  try {
    return create()
  } catch (error) {
    if (!isOdd(path, error)) throw error
    makeRoom(path)
    return create()
  }
}

export function removeRecord(path: string): boolean {
  return unlink(path)
}

/** The paths of all records of a network. */
export function recordPaths(side: string): string[] {
  return namesIn(side, (name) => name.endsWith('.json') && !name.startsWith('.'))
}

/** Files that a killed call left half made; only the holder of the store's lock may know them for such. */
export function temporaryPaths(side: string): string[] {
  return namesIn(side, (name) => name.startsWith('.'))
}

function namesIn(side: string, wanted: (name: string) => boolean): string[] {
  return entriesOf(side)
    .filter(({ name, kind }) => kind !== 'directory' && wanted(name))
    .map(({ name }) => `${side}/${name}`)
}
