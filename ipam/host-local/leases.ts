/**
 * Lease files, as the reference writes them: `<dataDir>/<network>/<address>` holding the container ID,
 * CR LF, the interface name. Before interface names were kept, the container ID alone.
 */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { beginFile, createFile, type Draft, discardFile, nameFile, withDirectory } from '../../lib/store/atomic.js'
import { clearAway, isOdd, readContent } from '../../lib/sys/content.js'
import { isErrno } from '../../lib/sys/errno.js'
import { close, open, read, readDirectory, unlink, writeAll, writeAt } from '../../lib/sys/file.js'
import { decodeUtf8, encodeUtf8, escapeBytes } from '../../lib/sys/text.js'

export interface Holder {
  readonly containerId: string
  /** `''` in a lease of the old form, which holds for whatever interface. */
  readonly ifName: string
}

/** Nobody's ID is longer than a file name can be by much. */
const LONGEST = 4096

/** What a lease file holds: `c1\r\neth0`. */
export function formatHolder({ containerId, ifName }: Holder): string {
  return ifName === '' ? containerId : `${containerId}\r\n${ifName}`
}

/**
 * Who holds a lease by its content. Names are bytes, and whatever bytes they are, somebody has written them: `damaged` is
 * only what no call wrote (nothing, blanks, NULs: a power cut leaves these). `decode` is strict UTF-8.
 */
export function parseHolder(
  content: Uint8Array,
  decode: (bytes: Uint8Array) => string | undefined,
): Holder | 'damaged' {
  const bytes = trimmed(content)
  if (bytes.length === 0 || (bytes[0] === 0 && bytes.every((byte) => byte === 0 || isBlank(byte)))) return 'damaged'
  let end = bytes.indexOf(CR)
  while (end !== -1 && bytes[end + 1] !== LF) end = bytes.indexOf(CR, end + 1)
  const name = (part: Uint8Array) => decode(part) ?? escapeBytes(part)
  if (end === -1) return { containerId: name(bytes), ifName: '' }
  return { containerId: name(bytes.subarray(0, end)), ifName: name(bytes.subarray(end + 2)) }
}

const CR = 13
const LF = 10

/** Whether a name was no UTF-8, so that no JSON can name it. */
export function isUnspeakable(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    if (code < 0xdc80 || code > 0xdcff) continue
    const before = at === 0 ? 0 : name.charCodeAt(at - 1)
    if (before < 0xd800 || before > 0xdbff) return true
  }
  return false
}

export function holderIn(content: Uint8Array): Holder | 'damaged' {
  return parseHolder(content, decodeUtf8)
}

export function leasePath(directory: string, address: IpAddress): string {
  return `${directory}/${formatAddress(address)}`
}

/** The holder of an address; `damaged` where the file names none, undefined where it is free. */
export function readHolder(directory: string, address: IpAddress): Holder | 'damaged' | undefined {
  const content = readLease(leasePath(directory, address), leaseBuffer())
  return content === undefined ? undefined : holderIn(content)
}

function leaseBuffer(): Uint8Array {
  return new Uint8Array(LONGEST + 1)
}

function readLease(path: string, buffer: Uint8Array): Uint8Array | undefined {
  return readContent(path, LONGEST, { buffer })
}

/**
 * A lease for `holder` without an address yet. It never shows in `directory`, where the reference would read it.
 * Code 4 for an ID that would not be read whole again.
 */
export function draftLease(directory: string, side: string, holder: Holder): Draft {
  const content = encodeUtf8(formatHolder(holder))
  if (content.length > LONGEST) {
    throw new CniError(
      ErrorCode.InvalidEnvironment,
      `invalid CNI_CONTAINERID: it has ${holder.containerId.length} characters`,
      `a lease has at most ${LONGEST}`,
    )
  }
  const draft = withDirectory(side, () => beginFile(`${directory}/lease`, `${side}/lease`))
  try {
    writeAll(draft.fd, content, 'a lease')
    return draft
  } catch (error) {
    discardFile(draft)
    throw error
  }
}

/** False where the address is leased already. */
export function takeAddress(directory: string, draft: Draft, address: IpAddress): boolean {
  return nameFile(draft, leasePath(directory, address))
}

/** Gives an address back; false where it was free. */
export function releaseAddress(directory: string, address: IpAddress): boolean {
  return unlink(leasePath(directory, address))
}

/** The address a lease file's name stands for; undefined for the lock, `last_reserved_ip.*` and strangers' files. */
export function addressOfName(name: string): IpAddress | undefined {
  const address = looksLikeAddress(name) ? parseAddress(name) : undefined
  if (address === undefined) return undefined
  return name.indexOf(':') < 0 || formatAddress(address) === name ? address : undefined
}

function looksLikeAddress(name: string): boolean {
  const c = name.charCodeAt(0)
  return (c >= 48 && c <= 57) || name.indexOf(':') >= 0
}

/** The names of all lease files, and of few others. Reads no file. */
export function leaseNames(directory: string): string[] {
  const names: string[] = []
  for (const { name, kind } of readDirectory(directory)) {
    if (kind !== 'directory' && looksLikeAddress(name)) names.push(name)
  }
  return names
}

/** Reads every lease. `content` is trimmed, and valid only during the visit. */
export function eachLease(
  directory: string,
  names: readonly string[],
  visit: (address: IpAddress, content: Uint8Array) => void,
): void {
  const buffer = leaseBuffer()
  for (const name of names) {
    const address = addressOfName(name)
    const content = address === undefined ? undefined : readLease(`${directory}/${name}`, buffer)
    if (address !== undefined && content !== undefined) visit(address, trimmed(content))
  }
}

function trimmed(content: Uint8Array): Uint8Array {
  let start = 0
  let end = content.length
  while (start < end && isBlank(content[start])) start++
  while (end > start && isBlank(content[end - 1])) end--
  return content.subarray(start, end)
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13)
}

/** Where a set's round robin stands. */
export interface LastReserved {
  readonly address: IpAddress | undefined
  /** Moves it. A kill leaves the address before or after, or none, and then the next lap begins at the start. */
  write(address: IpAddress): void
  close(): void
}

/** `last_reserved_ip.<set>`: an address without a newline. */
export function openLastReserved(directory: string, set: number): LastReserved {
  const path = `${directory}/last_reserved_ip.${set}`
  let fd = -1
  let length = 0
  let address: IpAddress | undefined
  try {
    fd = open(path, { mode: 'readwrite', noFollow: true })
    const buffer = new Uint8Array(64)
    length = read(fd, buffer, path)
    address = parseAddress(decodeUtf8(buffer.subarray(0, length)) ?? '')
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isOdd(path, error)) throw error
    if (fd !== -1) close(fd)
    fd = -1
  }
  return {
    address,
    write(next) {
      const bytes = encodeUtf8(formatAddress(next))
      if (fd !== -1 && length <= bytes.length) {
        writeAt(fd, bytes, 0, path)
        return
      }
      if (clearAway(path)) createFile(path, bytes)
    },
    close() {
      if (fd !== -1) close(fd)
    },
  }
}
