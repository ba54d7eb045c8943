/**
 * Kernel settings below /proc/sys. A key is written with slashes (`net/ipv6/conf/eth0.100/accept_ra`), so
 * that dots in interface names are dots.
 *
 * /proc/sys/net shows the namespace of the task that reads it: what belongs to a container is read and
 * written inside the bracket of lib/netns.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { isErrno } from '../sys/errno.js'
import { close, open, read, readKernelText, writeAt } from '../sys/file.js'
import { decodeUtf8, encodeUtf8 } from '../sys/text.js'

/** The value without its newline; undefined where the kernel has no such key. */
export function readSysctl(key: string): string | undefined {
  const path = `/proc/sys/${key}`
  let fd: number
  try {
    fd = open(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
  try {
    return valueIn(fd, path)
  } finally {
    close(fd)
  }
}

/** Values are short, and come with one read. */
function valueIn(fd: number, path: string): string {
  const buffer = new Uint8Array(64)
  return (decodeUtf8(buffer.subarray(0, read(fd, buffer, path))) ?? '').trim()
}

/**
 * Makes a setting `wanted`, touching it only where it differs. True where it was changed.
 * Throws code 5 with key, wanted and actual value where that is impossible.
 */
export function requireSysctl(key: string, wanted: string): boolean {
  const { actual, changed, failure } = set(key, wanted)
  if (failure === undefined) return changed
  throw new CniError(
    ErrorCode.IoFailure,
    `cannot set sysctl ${key} to ${wanted}: ${failure}`,
    actual === undefined
      ? 'the running kernel has no such setting (is IPv6 disabled on its command line?)'
      : `it is ${actual}; set it from outside (sysctl -w ${key}=${wanted}), or make /proc/sys writable here`,
  )
}

/**
 * As `requireSysctl`, for settings that are good to have: `absent` where the kernel has no such key,
 * `refused` where it differs and cannot be written.
 */
export function preferSysctl(key: string, wanted: string): 'set' | 'absent' | 'refused' {
  if (write(key, wanted)) return 'set'
  const { actual, failure } = set(key, wanted)
  if (actual === undefined) return 'absent'
  return failure === undefined ? 'set' : 'refused'
}

/** Writes a setting without a look at what was there: false where that is impossible. */
function write(key: string, wanted: string): boolean {
  const path = `/proc/sys/${key}`
  let fd: number
  try {
    fd = open(path, { mode: 'write' })
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'EPERM')) return false
    throw error
  }
  try {
    writeAt(fd, encodeUtf8(wanted), 0, path)
    return true
  } catch (error) {
    // ENOENT: its interface has gone since.
    if (isErrno(error, 'ENOENT', 'EINVAL', 'EPERM', 'EACCES', 'EROFS')) return false
    throw error
  } finally {
    close(fd)
  }
}

interface Outcome {
  readonly actual?: string
  readonly changed: boolean
  readonly failure?: string
}

function set(key: string, wanted: string): Outcome {
  const path = `/proc/sys/${key}`
  let fd: number
  try {
    fd = open(path, { mode: 'readwrite' })
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { changed: false, failure: 'it does not exist' }
    if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error
    const actual = readSysctl(key)
    if (actual === undefined || actual === wanted)
      return { changed: false, ...(actual === undefined ? {} : { actual }) }
    return { actual, changed: false, failure: 'it cannot be written' }
  }
  try {
    const actual = valueIn(fd, path)
    if (actual === wanted) return { actual, changed: false }
    try {
      writeAt(fd, encodeUtf8(wanted), 0, path)
    } catch (error) {
      if (!isErrno(error, 'EINVAL', 'EPERM', 'EACCES', 'EROFS')) throw error
      return { actual, changed: false, failure: (error as Error).message }
    }
    return { actual, changed: true }
  } finally {
    close(fd)
  }
}

/** As `readSysctl`, for values of any length. Undefined also for a setting that can be written alone, or that has no value yet. */
export function readLongSysctl(key: string): string | undefined {
  try {
    return readKernelText(`/proc/sys/${key}`)?.trim()
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM') || isAboutSecret(key, error)) return undefined
    throw error
  }
}

/**
 * Of a secret the kernel answers EIO to a read while it is unset, and to a write of what is no IPv6 address. For other
 * settings EIO is a failure.
 */
function isAboutSecret(key: string, error: unknown): boolean {
  return isErrno(error, 'EIO') && key.endsWith('/stable_secret')
}

/** Writes a setting that the configuration gives. Throws code 5 with the key and the value where that is impossible. */
export function writeSysctl(key: string, value: string): void {
  const path = `/proc/sys/${key}`
  try {
    const fd = open(path, { mode: 'write' })
    try {
      // With a newline, because the kernel takes a write of no bytes for none.
      writeAt(fd, encodeUtf8(`${value}\n`), 0, path)
    } finally {
      close(fd)
    }
  } catch (error) {
    if (
      !isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL', 'ERANGE', 'EPERM', 'EACCES', 'EROFS') &&
      !isAboutSecret(key, error)
    )
      throw error
    throw new CniError(
      ErrorCode.IoFailure,
      `cannot set sysctl ${key} to ${JSON.stringify(value)}: ${(error as Error).message}`,
      isAboutSecret(key, error) ? 'it must be an IPv6 address' : reasonFor(error),
    )
  }
}

function reasonFor(error: unknown): string {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'this network namespace has no such setting: look in /proc/sys/net'
  if (isErrno(error, 'EINVAL', 'ERANGE')) return 'the kernel does not take this value: correct it in the configuration'
  return 'make /proc/sys writable here, or take the setting out of the configuration'
}
