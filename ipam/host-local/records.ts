/**
 * Our record of an attachment's leases, `<dataDir>/.flatnet/<network>/<key>.json`: which addresses, and
 * in which life of this node they were given. What the reference's format has no room for.
 */

import { withDirectory } from '../../lib/store/atomic.js'
import { attachmentKey } from '../../lib/store/key.js'
import { bootId } from '../../lib/sys/clock.js'
import { isErrno } from '../../lib/sys/errno.js'
import { close, open, read, readDirectory, unlink, writeAll } from '../../lib/sys/file.js'
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

const LIMIT = 65536

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
  const bytes = new Uint8Array(4096)
  let text: string | undefined
  try {
    const fd = open(path)
    try {
      const n = read(fd, bytes, path)
      text = decodeUtf8(n < bytes.length ? bytes.subarray(0, n) : concatenated(bytes, fd, path))
    } finally {
      close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
  return parseRecord(text ?? '')
}

function concatenated(first: Uint8Array, fd: number, path: string): Uint8Array {
  const all = new Uint8Array(LIMIT)
  all.set(first)
  const n = read(fd, all.subarray(first.length), path)
  return all.subarray(0, first.length + n)
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
 */
export function writeRecord(side: string, path: string, record: LeaseRecord, replaces: boolean): void {
  if (replaces) unlink(path)
  const text = JSON.stringify({ version: 1, ...record })
  const fd = withDirectory(side, () => open(path, { mode: 'write', create: true, truncate: true }))
  try {
    writeAll(fd, encodeUtf8(`${text}\n`), path)
  } finally {
    close(fd)
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
  try {
    return readDirectory(side)
      .filter(({ name }) => wanted(name))
      .map(({ name }) => `${side}/${name}`)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
