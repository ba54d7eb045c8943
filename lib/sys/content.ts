/**
 * Reading files in whose place something else may be: a FIFO, a socket, a device, a directory, a symbolic link, a file
 * that never ends. Such a thing counts as absent, and one line on stderr says so. No open of lib/sys waits for anybody, so
 * none of them keeps a call waiting either.
 *
 * Absent is what ENOENT says, and odd what the errnos below say of a thing, or of the path to it. All others (no descriptor
 * left, no memory, a broken disk, no permission) say nothing of what is there: they are failures, and thrown.
 */

import { isErrno, SysError } from './errno.js'
import { close, type DirectoryEntry, open, read, readAll, readDirectory, type Stat, stat, unlink } from './file.js'
import { warn } from './log.js'
import { decodeUtf8 } from './text.js'

/** Bytes that a file of ours has at most: who writes one refuses more, and who reads one takes no more for ours. */
export const LARGEST = 16 << 20

export interface ContentOptions {
  /**
   * The operator's configuration names the file, so a symbolic link is as good as what it leads to, and it is not for us to
   * say that anything there should go. Default: it is a file of flatnet's own, where a link is odd.
   */
  readonly configured?: boolean
  /** To read into, for who reads many small files; the content is then a part of it. Default: a new one. */
  readonly buffer?: Uint8Array
}

/** Opens a file to read. Undefined where it is absent or odd. */
export function openContent(path: string, { configured = false }: ContentOptions = {}): number | undefined {
  try {
    return open(path, { noFollow: !configured })
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isOdd(path, error, configured)) return undefined
    throw error
  }
}

/** The whole of a file of at most `limit` bytes. Undefined where it is absent or odd. */
export function readContent(path: string, limit: number, options: ContentOptions = {}): Uint8Array | undefined {
  const fd = openContent(path, options)
  if (fd === undefined) return undefined
  try {
    return contentOf(fd, path, limit, options.buffer)
  } catch (error) {
    if (isOdd(path, error, options.configured)) return undefined
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

/** The whole of a file as text. Undefined where it is absent, odd or not UTF-8. */
export function readText(path: string, limit = LARGEST, options: ContentOptions = {}): string | undefined {
  const content = readContent(path, limit, options)
  return content === undefined ? undefined : decodeUtf8(content)
}

/** Everything in a directory. Nothing where it is absent, or something else is in its place. */
export function entriesOf(directory: string): readonly DirectoryEntry[] {
  try {
    return readDirectory(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return []
    throw error
  }
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
  EFBIG: 'larger than any file that flatnet writes',
  EISDIR: 'a directory',
  ELOOP: 'a symbolic link',
  ENAMETOOLONG: 'a longer name than any file can have',
  ENODEV: 'a device',
  ENOTDIR: 'below something that is not a directory',
  ENXIO: 'a socket, a FIFO or a device',
  ESPIPE: 'a FIFO',
}

/** The same where the operator's configuration names the file, which may be anybody's. */
const CONFIGURED: Record<string, string> = {
  ...ODDITIES,
  EFBIG: 'too large',
  ELOOP: 'a symbolic link that leads back to itself',
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

/** Whether a failed open or read says that no file is at `path`; the first time, stderr is told. */
export function isOdd(path: string, error: unknown, configured = false): boolean {
  const what = error instanceof SysError ? (configured ? CONFIGURED : ODDITIES)[error.code] : undefined
  if (what === undefined) return false
  if (!said.has(path)) warn(describe(path, (error as SysError).code, what, configured))
  said.add(path)
  return true
}

function describe(path: string, code: string, what: string, configured: boolean): string {
  const obstacle = obstacleTo(path)
  if (obstacle !== undefined)
    return `${path} counts as absent, because ${obstacle} is not a directory: ls -ld '${obstacle}'`
  const odd = `${path} is ${what}, so it counts as absent`
  if (configured) return `${odd}; the configuration names it: ls -ld '${path}'`
  if (code === 'ENAMETOOLONG') return odd
  return `${odd}; remove it: ${code === 'EISDIR' ? 'rm -r' : 'rm'} '${path}'`
}

/** What on the way to `path` is there and is no directory, as a link that leads back to itself. */
function obstacleTo(path: string): string | undefined {
  for (let end = path.indexOf('/', 1); end !== -1; end = path.indexOf('/', end + 1)) {
    const part = path.slice(0, end)
    try {
      if (stat(part)?.kind !== 'directory') return part
    } catch {
      return undefined
    }
  }
  return undefined
}
