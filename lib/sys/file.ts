/**
 * Files and directories. Paths are absolute or relative to the working directory; every descriptor is
 * close-on-exec. Each function throws SysError with the call, the path and the errno.
 */

import { door } from './door.js'
import { checked, isErrno, SysError } from './errno.js'

const AT_FDCWD = -100

// include/uapi/asm-generic/fcntl.h
const O_WRONLY = 0o1
const O_RDWR = 0o2
const O_CREAT = 0o100
const O_EXCL = 0o200
const O_TRUNC = 0o1000
const O_APPEND = 0o2000
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

export interface OpenOptions {
  /** Default `read`. `lock` opens for reading and creates: what flock(2) needs. */
  readonly mode?: 'read' | 'write' | 'readwrite' | 'append'
  /** `exclusive`: fails with EEXIST. Default: fails with ENOENT. */
  readonly create?: boolean | 'exclusive'
  readonly truncate?: boolean
  readonly directory?: boolean
  readonly noFollow?: boolean
  /** Permissions of a new file before umask; default 0o600. */
  readonly permissions?: number
}

/** Opens a file and returns its descriptor. Waits for nothing: a FIFO in its place must not keep a call for ever. */
export function open(path: string, options: OpenOptions = {}): number {
  const { mode = 'read', create = false } = options
  let flags = O_CLOEXEC | O_NONBLOCK
  if (mode === 'write') flags |= O_WRONLY
  if (mode === 'readwrite') flags |= O_RDWR
  if (mode === 'append') flags |= O_WRONLY | O_APPEND
  if (create !== false) flags |= O_CREAT
  if (create === 'exclusive') flags |= O_EXCL
  if (options.truncate === true) flags |= O_TRUNC
  if (options.directory === true) flags |= door().k.O_DIRECTORY
  if (options.noFollow === true) flags |= door().k.O_NOFOLLOW
  return checked(door().sys.openat(AT_FDCWD, path, flags, options.permissions ?? 0o600), 'open', path)
}

/** Opens a file without a name in `directory`; give it one with `link`. */
export function openUnnamed(directory: string, permissions = 0o600): number {
  const flags = door().k.O_TMPFILE | O_RDWR | O_CLOEXEC
  return checked(door().sys.openat(AT_FDCWD, directory, flags, permissions), 'open unnamed file in', directory)
}

/** Positions the descriptor `n` bytes before the end. */
export function seekFromEnd(fd: number, n: number): void {
  const SEEK_END = 2
  checked(door().sys.lseek(fd, -n, SEEK_END), 'seek', `descriptor ${fd}`)
}

/** Gives the file behind a descriptor a name; EEXIST if the name is taken. */
export function linkDescriptor(fd: number, path: string): void {
  const AT_SYMLINK_FOLLOW = 0x400
  const result = door().sys.linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW)
  checked(result, 'link', path)
}

/** Gives a file a second name on the same filesystem; EEXIST if the name is taken. */
export function link(from: string, to: string): void {
  checked(door().sys.linkat(AT_FDCWD, from, AT_FDCWD, to, 0), 'link', to)
}

/** A stop signal is raised in place of a system call, once; a lock must not be kept by that. */
export function close(fd: number): void {
  try {
    door().sys.close(fd)
  } catch (error) {
    door().sys.close(fd)
    throw error
  }
}

/** Reads until the end of file. Throws `EFBIG` past `limit` bytes. */
export function readAll(fd: number, limit: number, subject = `descriptor ${fd}`): Uint8Array {
  let buffer = new Uint8Array(Math.min(limit + 1, 4096))
  let length = 0
  for (;;) {
    const n = read(fd, buffer.subarray(length), subject)
    if (n === 0) return buffer.subarray(0, length)
    length += n
    if (length > limit) throw new SysError('read', subject, 27)
    if (length === buffer.length) {
      const larger = new Uint8Array(Math.min(limit + 1, buffer.length * 4))
      larger.set(buffer)
      buffer = larger
    }
  }
}

/** Reads once, up to the buffer's length; 0 at the end of file. Retries when a signal interrupts. */
export function read(fd: number, buffer: Uint8Array, subject = `descriptor ${fd}`): number {
  for (;;) {
    const n = door().sys.read(fd, buffer, buffer.length)
    if (n !== -4) return checked(n, 'read', subject)
  }
}

/** Writes every byte. A stop signal that is raised meanwhile is thrown when all is written. */
export function writeAll(fd: number, bytes: Uint8Array, subject = `descriptor ${fd}`): void {
  let stopped: unknown
  for (let at = 0; at < bytes.length; ) {
    let n = -4
    try {
      n = door().sys.write(fd, bytes.subarray(at), bytes.length - at)
    } catch (error) {
      if ((error as { name?: unknown }).name !== 'Interrupted') throw error
      stopped = error
    }
    if (n !== -4) at += checked(n, 'write', subject)
  }
  if (stopped !== undefined) throw stopped
}

/** Writes `bytes` at `offset` with one call, so that a kill leaves all of it or nothing (within a page). */
export function writeAt(fd: number, bytes: Uint8Array, offset: number, subject = `descriptor ${fd}`): void {
  const n = checked(door().sys.pwrite64(fd, bytes, bytes.length, offset), 'write', subject)
  if (n < bytes.length) throw new SysError('write', subject, 28)
}

/** Reads from `offset` once, up to the buffer's length; the number of bytes. */
export function readAt(fd: number, buffer: Uint8Array, offset: number, subject = `descriptor ${fd}`): number {
  return checked(door().sys.pread64(fd, buffer, buffer.length, offset), 'read', subject)
}

/** Cuts a file, or fills it with zeros, to `size` bytes. */
export function truncate(fd: number, size: number, subject = `descriptor ${fd}`): void {
  checked(door().sys.ftruncate(fd, size), 'truncate', subject)
}

/** What the kernel says in a file of /proc, as text; undefined where it has no such file. Throws `EFBIG` past `limit` bytes. */
export function readKernelText(path: string, limit = 16 << 20): string | undefined {
  let fd: number
  try {
    fd = open(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
  try {
    return door().decode(readAll(fd, limit, path))
  } finally {
    close(fd)
  }
}

export function rename(from: string, to: string): void {
  checked(door().sys.renameat2(AT_FDCWD, from, AT_FDCWD, to, 0), 'rename', `${from} to ${to}`)
}

/** Removes a file. False where it was absent already. */
export function unlink(path: string): boolean {
  return removed(door().sys.unlinkat(AT_FDCWD, path, 0), 'unlink', path)
}

/** Removes an empty directory. False where it was absent already; ENOTEMPTY throws. */
export function rmdir(path: string): boolean {
  const AT_REMOVEDIR = 0x200
  return removed(door().sys.unlinkat(AT_FDCWD, path, AT_REMOVEDIR), 'rmdir', path)
}

function removed(result: number, call: string, path: string): boolean {
  if (leadsNowhere(result)) return false
  checked(result, call, path)
  return true
}

/** Creates a directory and what is missing above it. One call when it already exists. */
export function mkdirAll(path: string, permissions = 0o755): void {
  const result = door().sys.mkdirat(AT_FDCWD, path, permissions)
  if (result === 0) return
  const parent = path.slice(0, path.lastIndexOf('/'))
  if (result === -2 && parent !== '') {
    mkdirAll(parent, permissions)
    const again = door().sys.mkdirat(AT_FDCWD, path, permissions)
    if (again === -17) return
    checked(again, 'mkdir', path)
    return
  }
  if (result === -17 && (stat(path)?.kind ?? 'missing') === 'directory') return
  throw new SysError('mkdir', path, result === -17 ? 20 : -result)
}

export interface Stat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other'
  readonly inode: number
  /** Names the file has; 0 once the last one was removed. */
  readonly links: number
  /** Major and minor number of the filesystem's device, as one comparable text. */
  readonly device: string
  readonly size: number
  /** The last modification. */
  readonly modified: Timestamp
  readonly permissions: number
}

/**
 * Whether a call says that nothing is at a path, or can be: ENOENT, ENOTDIR; ELOOP, links that lead back to themselves;
 * ENAMETOOLONG.
 */
function leadsNowhere(result: number): boolean {
  return result === -2 || result === -20 || result === -40 || result === -36
}

/** What a path (followed through symlinks) or a descriptor is; undefined where it is absent, or leads nowhere. */
export function stat(target: string | number): Stat | undefined {
  const AT_EMPTY_PATH = 0x1000
  const STATX_BASIC_STATS = 0x7ff
  const buffer = new Uint8Array(256) // struct statx, include/uapi/linux/stat.h
  const result =
    typeof target === 'number'
      ? door().sys.statx(target, '', AT_EMPTY_PATH, STATX_BASIC_STATS, buffer)
      : door().sys.statx(AT_FDCWD, target, 0, STATX_BASIC_STATS, buffer)
  if (leadsNowhere(result)) return undefined
  checked(result, 'stat', String(target))
  const view = new DataView(buffer.buffer)
  const u64 = (at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
  const mode = view.getUint16(28, true)
  const kinds = { 8: 'file', 4: 'directory', 10: 'symlink' } as Record<number, Stat['kind']>
  return {
    kind: kinds[mode >> 12] ?? 'other',
    links: view.getUint32(16, true),
    inode: u64(32),
    size: u64(40),
    modified: { seconds: u64(112), nanoseconds: view.getUint32(120, true) },
    device: `${view.getUint32(136, true)}:${view.getUint32(140, true)}`,
    permissions: mode & 0o7777,
  }
}

export interface Timestamp {
  readonly seconds: number
  readonly nanoseconds: number
}

/** Sets the last modification of a file or directory; its last access stays. */
export function setModified(path: string, { seconds, nanoseconds }: Timestamp): void {
  const UTIME_OMIT = 0x3ffffffe
  const times = new Uint8Array(32) // two struct timespec: access, modification
  const view = new DataView(times.buffer)
  view.setUint32(8, UTIME_OMIT, true)
  view.setUint32(16, seconds >>> 0, true)
  view.setUint32(20, Math.floor(seconds / 2 ** 32), true)
  view.setUint32(24, nanoseconds, true)
  checked(door().sys.utimensat(AT_FDCWD, path, times, 0), 'utimensat', path)
}

/** `f_type` of the filesystem a descriptor is on (include/uapi/linux/magic.h). */
export function filesystemMagic(fd: number): number {
  const buffer = new Uint8Array(256) // struct statfs; its first member is a long, f_type
  checked(door().sys.fstatfs(fd, buffer), 'statfs', `descriptor ${fd}`)
  return new DataView(buffer.buffer).getUint32(0, true)
}

export interface DirectoryEntry {
  readonly name: string
  readonly kind: Stat['kind'] | 'unknown'
}

/** Everything in a directory but `.` and `..`, in no order; names that are not UTF-8 are left out. */
export function readDirectory(path: string): DirectoryEntry[] {
  const fd = open(path, { directory: true })
  try {
    const entries: DirectoryEntry[] = []
    const buffer = new Uint8Array(32768)
    const view = new DataView(buffer.buffer)
    const kinds: Record<number, DirectoryEntry['kind']> = { 8: 'file', 4: 'directory', 10: 'symlink', 0: 'unknown' }
    for (;;) {
      const length = checked(door().sys.getdents64(fd, buffer, buffer.length), 'readdir', path)
      if (length === 0) return entries
      // struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name
      for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
        const end = buffer.indexOf(0, at + 19)
        const name = door().decode(buffer, at + 19, end)
        if (name === undefined || name === '.' || name === '..') continue
        entries.push({ name, kind: kinds[buffer[at + 18] ?? 0] ?? 'other' })
      }
    }
  } finally {
    close(fd)
  }
}

/** Where a symbolic link points; undefined where `path` is absent or no link. */
export function readLink(path: string): string | undefined {
  const buffer = new Uint8Array(4096)
  const n = door().sys.readlinkat(AT_FDCWD, path, buffer, buffer.length)
  if (n === -22 || leadsNowhere(n)) return undefined
  checked(n, 'readlink', path)
  return door().decode(buffer, 0, n)
}

/** Whether this process may write here (access(2) with W_OK, effective ids). */
export function isWritable(path: string): boolean {
  return door().sys.faccessat(AT_FDCWD, path, 2) === 0
}

/** Sets the file mode creation mask and returns the one before. */
export function setUmask(mask: number): number {
  return door().sys.umask(mask)
}
