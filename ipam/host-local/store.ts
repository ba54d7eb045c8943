/**
 * One network's store, locked. The reference's files are in `<dataDir>/<network>`, ours in
 * `<dataDir>/.flatnet/<network>`: the reference reads every file in and below its own directory.
 *
 * Both programs take turns by flock(2) on the same `lock` file. To know whether the reference was here
 * since our last call, that call ends by setting the modification times of both directories: one to a
 * second ago, the other to exactly a billion seconds before that, which no clock does by itself. Whoever
 * creates or removes a file afterwards moves one of the two to the present, even within the same tick of
 * the kernel's clock. While they agree (the store is "sealed"), records and catalogue together know of
 * every lease. A call that is killed leaves them apart.
 */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { withDirectory } from '../../lib/store/atomic.js'
import { flockHolder } from '../../lib/store/holder.js'
import { wallClock } from '../../lib/sys/clock.js'
import { isOdd } from '../../lib/sys/content.js'
import { isErrno } from '../../lib/sys/errno.js'
import { close, open, setModified, stat } from '../../lib/sys/file.js'
import { lockFile } from '../../lib/sys/lock.js'

export interface Store {
  readonly network: string
  /** Lease files, `last_reserved_ip.*`, `lock`. */
  readonly directory: string
  /** Records and catalogue. */
  readonly side: string
  readonly lock: number
  /** When this call got the lock, in milliseconds since 1970. */
  readonly time: number
  /** Whether this call may create files of its own (ADD). */
  readonly creates: boolean
  /** Whether records and catalogue know of every lease. */
  complete: boolean
  /** Whether this call created or removed a file, so that the seal is broken. */
  changed: boolean
  /** Names of all leases, where this call had to list them. */
  names: Set<string> | undefined
}

/** Seconds between the two times of a seal. Into the past: some filesystems know none after 2038. */
const APART = 1e9

/** Milliseconds to wait for the lock. */
const PATIENCE = 30_000

/** Opens and locks the store, and creates what is missing. Throws code 11 when the lock stays taken. */
export function openStore(dataDir: string, network: string): Store {
  const directory = `${dataDir}/${network}`
  const fd = withDirectory(directory, () => openLock(directory, true))
  return locked(dataDir, network, fd, true)
}

/** The same for calls that only take away: undefined where the network has no store, or something else is in its place. */
export function openExistingStore(dataDir: string, network: string): Store | undefined {
  const directory = `${dataDir}/${network}`
  let fd: number
  try {
    fd = openLock(directory, false)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) throw error
    if (stat(directory)?.kind !== 'directory') return undefined
    fd = openLock(directory, true)
  }
  return locked(dataDir, network, fd, false)
}

/** The file that the reference locks too; the directory where something else has its name. */
function openLock(directory: string, create: boolean): number {
  const path = `${directory}/lock`
  try {
    return open(path, { create, permissions: 0o750, noFollow: true })
  } catch (error) {
    if (!isOdd(path, error)) throw error
    return open(directory, { directory: true })
  }
}

function locked(dataDir: string, network: string, lock: number, creates: boolean): Store {
  const directory = `${dataDir}/${network}`
  const side = sideOf(dataDir, network)
  try {
    if (!lockFile(lock, PATIENCE)) throw busy(directory, lock)
    const complete = isSealed(directory, side)
    return { network, directory, side, lock, time: wallClock(), creates, complete, changed: false, names: undefined }
  } catch (error) {
    close(lock)
    throw error
  }
}

export function sideOf(dataDir: string, network: string): string {
  return `${dataDir}/.flatnet/${network}`
}

function busy(directory: string, lock: number): CniError {
  const holder = flockHolder(lock)
  return new CniError(
    ErrorCode.TryAgainLater,
    `cannot lock ${directory}/lock: it has been held for ${PATIENCE / 1000} s`,
    holder === '' ? `who holds it: fuser -v ${directory}/lock` : `${holder} holds it`,
  )
}

function isSealed(directory: string, side: string): boolean {
  const ours = stat(side)?.modified
  const theirs = ours === undefined ? undefined : stat(directory)?.modified
  if (ours === undefined || theirs === undefined) return false
  return ours.seconds === theirs.seconds - APART && ours.nanoseconds === theirs.nanoseconds
}

/** Seals the store where all is known, and unlocks it. Never throws: what the call did is done. */
export function closeStore(store: Store): void {
  try {
    if (store.complete && store.changed) seal(store)
    close(store.lock)
  } catch {
    // Unsealed means slower, never wrong. A stop signal interrupts one call, not the next.
    close(store.lock)
  }
}

function seal({ directory, side, time }: Store): void {
  const past = time - 1000
  const seconds = Math.floor(past / 1000)
  const nanoseconds = Math.floor((past % 1000) * 1e6)
  setModified(side, { seconds: seconds - APART, nanoseconds })
  setModified(directory, { seconds, nanoseconds })
}
