/**
 * Reading files in whose place something else may be: a FIFO, a socket, a device, a directory, a symbolic link, a file
 * that never ends. Such a thing counts as absent, and one line on stderr says so. No open of lib/sys waits for anybody, so
 * none of them keeps a call waiting either.
 *
 * Absent is what ENOENT and ENOTDIR say, and odd what the errnos below say of a thing. All others (no descriptor left, no
 * memory, a broken disk, no permission) say nothing of what is there: they are failures, and thrown.
 */

import { isErrno, SysError } from './errno.js'
import { close, open, read, readAll, type Stat, stat, unlink } from './file.js'
import { warn } from './log.js'
import { decodeUtf8 } from './text.js'

export interface ContentOptions {
  /** A symbolic link is as good as what it leads to: for files that people name. Default: it is odd. */
  readonly follow?: boolean
  /** To read into, for who reads many small files; the content is then a part of it. Default: a new one. */
  readonly buffer?: Uint8Array
}

/** Opens a file to read. Undefined where it is absent or odd. */
export function openContent(path: string, follow = false): number | undefined {
  try {
    return open(path, { noFollow: !follow })
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || isOdd(path, error)) return undefined
    throw error
  }
}

/** The whole of a file of at most `limit` bytes. Undefined where it is absent or odd. */
export function readContent(path: string, limit: number, options: ContentOptions = {}): Uint8Array | undefined {
  const fd = openContent(path, options.follow)
  if (fd === undefined) return undefined
  try {
    return contentOf(fd, path, limit, options.buffer)
  } catch (error) {
    if (isOdd(path, error)) return undefined
    throw error
  } finally {
    close(fd)
  }
}

/** The content behind a descriptor at its beginning. Throws what `isOdd` knows. */
export function contentOf(
  fd: number,
  path: string,
  limit: number,
  buffer: Uint8Array = new Uint8Array(4096),
): Uint8Array {
  const length = read(fd, buffer, path)
  if (length > limit) throw new SysError('read', path, EFBIG)
  if (length === 0) requireFile(stat(fd), path)
  // A file gives as much as there is room for, so that one read is mostly enough.
  if (length < buffer.length) return buffer.subarray(0, length)
  const rest = readAll(fd, limit - length, path)
  const content = new Uint8Array(length + rest.length)
  content.set(buffer)
  content.set(rest, length)
  return content
}

/** The whole of a file as text. Undefined where it is absent, odd or not UTF-8. Symbolic links are followed. */
export function readText(path: string, limit = 16 << 20): string | undefined {
  const content = readContent(path, limit, { follow: true })
  return content === undefined ? undefined : decodeUtf8(content)
}

const EFBIG = 27
const ENXIO = 6

/** Throws what `isOdd` knows where something is no regular file. */
export function requireFile(found: Stat | undefined, path: string): asserts found is Stat {
  if (found?.kind !== 'file') throw new SysError('open', path, ENXIO)
}

/** What each errno says of the thing at a path. */
const ODDITIES: Record<string, string> = {
  EAGAIN: 'a FIFO or a terminal',
  EFBIG: 'larger than any that flatnet writes',
  EISDIR: 'a directory',
  ELOOP: 'a symbolic link',
  ENODEV: 'a device',
  ENXIO: 'a socket, a FIFO or a device',
  ESPIPE: 'a FIFO',
}

/** Removes what is at `path` so that a new file can have its place. False where it is a directory, which stays. */
export function clearAway(path: string): boolean {
  try {
    unlink(path)
    return true
  } catch (error) {
    if (isErrno(error, 'EISDIR') && isOdd(path, error)) return false
    throw error
  }
}

const said = new Set<string>()

/** Whether a failed open or read says that no file of ours is at `path`; the first time, stderr is told. */
export function isOdd(path: string, error: unknown): boolean {
  const what = error instanceof SysError ? ODDITIES[error.code] : undefined
  if (what === undefined) return false
  if (!said.has(path)) warn(`${path} is ${what}, so it counts as absent; remove it: rm -r '${path}'`)
  said.add(path)
  return true
}
