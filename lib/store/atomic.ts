/**
 * Files that are there whole or not at all. Nothing here calls fsync: what it is used for is worthless
 * after a power cut, and a file that one has emptied or torn is taken for an earlier boot's.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { clearAway, LARGEST } from '../sys/content.js'
import { isErrno } from '../sys/errno.js'
import { close, link, linkDescriptor, mkdirAll, open, openUnnamed, rename, unlink, writeAll } from '../sys/file.js'
import { processId } from '../sys/process.js'

export function directoryOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 1))
}

/**
 * Creates `path` with these bytes; false where the name is taken. Throws ENOENT where the directory is
 * missing.
 */
export function createFile(path: string, bytes: Uint8Array): boolean {
  const draft = beginFile(path)
  try {
    writeAll(draft.fd, bytes, path)
    return nameFile(draft, path)
  } finally {
    discardFile(draft)
  }
}

/** A file under construction: unnamed, or under a temporary name where the filesystem knows no other way. */
export interface Draft {
  readonly fd: number
  readonly temporary: string | undefined
}

/**
 * Opens a new file for reading and writing that `nameFile` will give its name. ENOENT without the
 * directory. Where the filesystem has no unnamed files it gets a temporary name beside `near`.
 */
export function beginFile(path: string, near = path): Draft {
  try {
    return { fd: openUnnamed(directoryOf(path)), temporary: undefined }
  } catch (error) {
    // EISDIR: kernels and filesystems that take O_TMPFILE for O_DIRECTORY.
    if (!isErrno(error, 'EOPNOTSUPP', 'EISDIR', 'EINVAL')) throw error
  }
  const temporary = temporaryName(near)
  unlink(temporary) // of a killed process that had our number
  return { fd: open(temporary, { mode: 'readwrite', create: 'exclusive' }), temporary }
}

/** Gives a draft its name, and leaves it open; false where the name is taken: then another may be tried. */
export function nameFile({ fd, temporary }: Draft, path: string): boolean {
  try {
    if (temporary === undefined) linkDescriptor(fd, path)
    else link(temporary, path)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
  if (temporary !== undefined) unlink(temporary)
  return true
}

/** Closes a draft. Without a name by now, it is gone. */
export function discardFile({ fd, temporary }: Draft): void {
  close(fd)
  if (temporary !== undefined) unlink(temporary)
}

/**
 * Puts a file with these bytes at `path`, in the place of what was there. Creates missing directories. The caller holds
 * a lock: whatever a killed call has left half written bears the same name, and is taken over. Code 7 for more bytes than
 * `limit`, which who reads the file has, too.
 */
export function replaceFile(path: string, bytes: Uint8Array, limit = LARGEST): void {
  if (bytes.length > limit) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `${path} would have ${bytes.length} bytes, more than ${limit}, which is the limit`,
      'give the network a shorter configuration: fewer entries in its lists',
    )
  }
  const temporary = hiddenName(path, 'new')
  const write = () => {
    const fd = open(temporary, { mode: 'write', create: true, truncate: true })
    try {
      writeAll(fd, bytes, path)
    } finally {
      close(fd)
    }
  }
  withDirectory(directoryOf(path), write)
  try {
    rename(temporary, path)
  } catch (error) {
    unlink(temporary)
    if (isErrno(error, 'EISDIR')) makeRoom(path) // says what to do about it
    throw error
  }
}

/** Removes what is in the place of a file of ours, to put one there. Code 5 for a directory, which stays. */
export function makeRoom(path: string): void {
  if (clearAway(path)) return
  throw new CniError(
    ErrorCode.IoFailure,
    `cannot write ${path}: it is a directory`,
    `flatnet makes no directory of this name: look into it, and remove it: rm -r '${path}'`,
  )
}

/** Runs `action`, and again after creating `directory` where that is what it lacked. */
export function withDirectory<T>(directory: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  mkdirAll(directory)
  return action()
}

/** For files without a lock: no other process uses it. */
function temporaryName(path: string): string {
  return hiddenName(path, String(processId()))
}

/** Begins with a dot, so that nobody takes it for a record. */
function hiddenName(path: string, end: string): string {
  const at = path.lastIndexOf('/') + 1
  return `${path.slice(0, at)}.${path.slice(at)}.${end}`
}
