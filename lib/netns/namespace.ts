/**
 * A network namespace and what is reachable in it. A netlink socket belongs to the namespace it was
 * opened in, so a process goes into a container once, opens what it needs, and is back: nobody changes
 * namespaces in the middle of work.
 */

import { CniError, ErrorCode, isCniError, messageOf, toCniError } from '../cni/error.js'
import { type Netlink, openNetlink } from '../netlink/netlink.js'
import { isErrno, SysError } from '../sys/errno.js'
import { close, filesystemMagic, open, stat } from '../sys/file.js'
import { warn } from '../sys/log.js'
import { enterNetworkNamespace } from '../sys/namespace.js'
import { environment } from '../sys/process.js'
import { namespaceCookie } from '../sys/socket.js'

const OWN = '/proc/thread-self/ns/net'

/** include/uapi/linux/magic.h */
const NSFS_MAGIC = 0x6e736673
const TMPFS_MAGIC = 0x01021994

/** A container's namespace, looked at and not entered yet. */
export interface ContainerFile {
  /** As the runtime gave it. */
  readonly path: string
  /** Keeps the namespace alive; for links that are to be born in it. */
  readonly fd: number
  /** The way back. */
  readonly own: number
}

/** The netlink handle on the namespace of this process: the host's. */
export function openHost(): Netlink {
  return openNetlink()
}

/**
 * Opens the namespace of CNI_NETNS. Throws code 4 where the path is missing, is no network namespace, or
 * is the one this process is in (unless CNI_NETNS_OVERRIDE says that this is meant).
 */
export function openContainer(path: string): ContainerFile {
  if (looked?.path === path) {
    const file = looked
    looked = undefined
    return file
  }
  const own = open(OWN)
  try {
    return { path, fd: openOther(path, own), own }
  } catch (error) {
    close(own)
    throw error
  }
}

/** Throws code 4 where CNI_NETNS is not a container's network namespace, as `openContainer` and `inContainer` do. */
export function requireContainer(path: string): void {
  const file = openContainer(path)
  inContainer(file, () => undefined)
  looked = file
}

/** What `requireContainer` has looked at, for who opens it next. */
let looked: ContainerFile | undefined

export function closeContainer({ fd, own }: ContainerFile): void {
  close(fd)
  close(own)
}

function openOther(path: string, own: number): number {
  let fd: number
  try {
    fd = open(path)
  } catch (error) {
    if (!namesNoNamespace(path, error)) throw toCniError(error, `failed to open netns ${JSON.stringify(path)}`)
    throw refused(
      path,
      messageOf(error),
      stat(path) === undefined
        ? 'CNI_NETNS names nothing: the container is gone, or its namespace was never mounted here'
        : '',
    )
  }
  try {
    const magic = filesystemMagic(fd)
    if (magic !== NSFS_MAGIC)
      throw refused(path, `unknown FS magic on "${path}": ${magic.toString(16)}`, cause(magic, fd))
    if (isSame(fd, own) && !isOverridden()) {
      throw refused(
        path,
        "it is the host's own network namespace",
        'CNI_NETNS must name the namespace of a container; set CNI_NETNS_OVERRIDE=1 if the host is meant',
      )
    }
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/**
 * Whether a path that cannot be opened is certainly not a namespace's. Nothing is there (ENOENT, ENOTDIR); or no namespace
 * was ever opened by it: its links lead back to themselves, its name is too long, a socket or a device is there. That is
 * believed only where a second look says the same, because the lease of a container that lives must not become free.
 * Other errnos say nothing of the path: no descriptor or memory is left, a signal came, the disk is broken, one may not look.
 */
function namesNoNamespace(path: string, error: unknown): boolean {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return true
  if (isErrno(error, 'ELOOP', 'ENAMETOOLONG')) return stat(path) === undefined
  return isErrno(error, 'ENXIO', 'ENODEV') && stat(path)?.kind === 'other'
}

/** Whether an error is one of `refused`. */
function saysThereIsNone(error: unknown): boolean {
  return isCniError(error) && error.code === ErrorCode.InvalidEnvironment
}

function refused(path: string, why: string, details: string): CniError {
  return new CniError(ErrorCode.InvalidEnvironment, `failed to open netns ${JSON.stringify(path)}: ${why}`, details)
}

function cause(magic: number, fd: number): string {
  const kind = stat(fd)?.kind
  if (kind !== 'file') {
    const what = kind === 'directory' ? 'a directory' : 'a device, a pipe or a socket'
    return `CNI_NETNS names ${what}, not a namespace`
  }
  return magic === TMPFS_MAGIC
    ? "CNI_NETNS names a plain file on tmpfs: the runtime's mount of the namespace did not reach this mount namespace, or is gone (is /run/netns shared?)"
    : 'CNI_NETNS names a plain file: the namespace is not mounted on it, or is not any more'
}

/** Namespaces are the same where device and inode of their files are. */
function isSame(a: number | string, b: number | string): boolean {
  const [one, other] = [stat(a), stat(b)]
  return one !== undefined && one.inode === other?.inode && one.device === other.device
}

/**
 * Whether two paths lead to one namespace, as `/run` and `/var/run`, a bind mount and `/proc/PID/ns/net` do. False where
 * either cannot be looked at, and for the empty path of an interface of the host.
 */
export function isSameNamespace(one: string, other: string): boolean {
  if (one === other) return one !== ''
  if (one === '' || other === '') return false
  try {
    return isSame(one, other)
  } catch (error) {
    if (error instanceof SysError) return false
    throw error
  }
}

function isOverridden(): boolean {
  const value = environment('CNI_NETNS_OVERRIDE')
  return typeof value === 'string' && (value === '1' || value.toLowerCase() === 'true')
}

/**
 * Runs `inside` in the container's namespace and comes back whatever it does. Meant for opening sockets
 * and for /proc/sys/net, which shows the namespace of whoever looks.
 * Throws code 4 where the file is a namespace of another kind.
 */
export function inContainer<T>(file: ContainerFile, inside: () => T): T {
  enter(file)
  try {
    return inside()
  } finally {
    comeBack(file.own)
  }
}

/**
 * As `inContainer`, for DEL: undefined where the runtime gave no path, or what is there is gone or not the
 * container's any more. What is there instead is said on stderr. Throws where that cannot be known.
 */
export function inContainerIfPresent<T>(path: string, inside: () => T): T | undefined {
  if (path === '') return undefined
  let file: ContainerFile
  try {
    file = openContainer(path)
    enter(file)
  } catch (error) {
    if (!saysThereIsNone(error)) throw error
    if (stat(path) !== undefined) warn(`${messageOf(error)}; the namespace counts as gone`)
    return undefined
  }
  try {
    return inside()
  } finally {
    comeBack(file.own)
    closeContainer(file)
  }
}

function enter({ path, fd }: ContainerFile): void {
  try {
    enterNetworkNamespace(fd, path)
  } catch (error) {
    if (!isErrno(error, 'EINVAL')) throw error
    throw refused(path, 'it is a namespace, but not a network namespace', 'CNI_NETNS must name a network namespace')
  }
}

/** A stop signal is raised in place of a system call, once; this one must not be left out. */
function comeBack(own: number): void {
  try {
    enterNetworkNamespace(own, OWN)
  } catch (error) {
    enterNetworkNamespace(own, OWN)
    throw error
  }
}

/** `SO_NETNS_COOKIE` of a handle's namespace as text, unique for this boot; `''` where the kernel has none. */
export function cookieOf(netlink: Netlink): string {
  return namespaceCookie(netlink.socket.fd)
}
