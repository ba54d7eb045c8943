/**
 * One record an attachment: what a plugin did for it, written before it does it. It is the journal that
 * an interrupted ADD is undone by, and all that DEL needs. `<stateDir>/<network>/<plugin>/<key>.json`
 *
 * Whoever works on an attachment holds a lock on its record's own file (an open file description lock,
 * so a kill gives it up). Records are changed in place and never replaced, so a locked file that still
 * has a name is the record.
 */

import { CniError, ErrorCode, messageOf } from '../cni/error.js'
import { bootId } from '../sys/clock.js'
import { contentOf, entriesOf, isOdd, LARGEST as LIMIT, readContent, requireFile } from '../sys/content.js'
import { isErrno } from '../sys/errno.js'
import { close, open, stat, truncate, unlink, writeAll, writeAt } from '../sys/file.js'
import { lockRange } from '../sys/lock.js'
import { warn } from '../sys/log.js'
import { processId } from '../sys/process.js'
import { decodeUtf8, encodeUtf8 } from '../sys/text.js'
import { beginFile, directoryOf, discardFile, makeRoom, nameFile, withDirectory } from './atomic.js'
import { attachmentKey } from './key.js'
import { hasShape, type Shape } from './shape.js'

export { attachmentKey }

/** Where the records of a plugin in a network are. */
export interface RecordsPlace {
  readonly stateDir: string
  readonly plugin: string
  readonly network: string
  /** What `content` must look like; another record counts as one that cannot be read. */
  readonly shape?: Shape
}

export interface RecordPlace extends RecordsPlace {
  readonly containerId: string
  readonly ifName: string
}

/** Earlier builds wrote `adding` for `removing` too. */
export type RecordState = 'adding' | 'ready' | 'removing'

export interface Earlier<T> {
  /** `ready`: that call finished; `adding` or `removing`: it failed or was killed in the middle. */
  readonly state: RecordState
  readonly content: T
  /** False for a record of an earlier boot: the kernel objects it names are gone, and others may bear their names. */
  readonly sameBoot: boolean
}

/** An attachment that is ours alone until `remove` or `release`. */
export interface Claim<T> {
  /** What an earlier call left; undefined where there was nothing, or nothing legible (a power cut's). */
  readonly earlier: Earlier<T> | undefined
  /** Replaces the record in place with one write, blank-padded, so that a kill leaves no torn one. */
  write(state: RecordState, content: T): void
  /**
   * Marks the earlier record as `removing`, so that a table made anew from the records comes without this attachment.
   * Where that cannot be written, the removal goes on all the same.
   */
  beginRemoval(): void
  /** Removes the record and gives up the lock. */
  remove(): void
  /** Gives up the lock and keeps the record. */
  release(): void
}

/** Milliseconds to wait for another call on the same attachment. */
const PATIENCE = 40_000

/**
 * For ADD: creates the record, complete and locked, in state `adding`; or claims the one that is there,
 * content untouched. Throws code 11 when another call keeps the attachment for 40 s, code 7 for a record that would be
 * too large to be read.
 */
export function claimOrCreate<T>(place: RecordPlace, initial: T): Claim<T> {
  const path = pathOf(place)
  for (;;) {
    const draft = withDirectory(directoryOf(path), () => beginFile(path))
    try {
      lockRange(draft.fd, 0)
      const bytes = render(place, 'adding', initial)
      writeAll(draft.fd, bytes, path)
      if (nameFile(draft, path)) return claimed<T>(place, path, draft.fd, bytes.length, undefined)
    } catch (error) {
      discardFile(draft)
      throw error
    }
    discardFile(draft)
    const existing = claimExisting<T>(place)
    if (existing === 'odd') makeRoom(path)
    if (typeof existing === 'object') return existing
  }
}

/** For DEL and CHECK: undefined where there is no record. Throws code 11 as `claimOrCreate` does. */
export function claim<T>(place: RecordPlace): Claim<T> | undefined {
  const existing = claimExisting<T>(place)
  return typeof existing === 'object' ? existing : undefined
}

/** As `claim`, and undefined at once where another call works on the attachment. */
export function claimIfFree<T>(place: RecordPlace): Claim<T> | undefined {
  const existing = claimExisting<T>(place, 0)
  return typeof existing === 'object' ? existing : undefined
}

/** `odd`: there is something, and it is no file. `busy`: without patience, where another call has it. */
function claimExisting<T>(place: RecordPlace, patience = PATIENCE): Claim<T> | 'absent' | 'odd' | 'busy' {
  const path = pathOf(place)
  for (;;) {
    let fd: number
    try {
      fd = open(path, { mode: 'readwrite', noFollow: true })
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 'absent'
      if (isOdd(path, error)) return 'odd'
      throw error
    }
    try {
      if (!lockRange(fd, patience)) {
        if (patience > 0) throw busy(place, contentOf(fd, path, LIMIT))
        close(fd)
        return 'busy'
      }
      const found = stat(fd)
      if (found?.links !== 0) {
        requireFile(found, path)
        const bytes = found.size > LIMIT ? emptied(fd, path) : contentOf(fd, path, LIMIT)
        return claimed(place, path, fd, bytes.length, parse<T>(bytes, place.shape))
      }
    } catch (error) {
      close(fd)
      if (isOdd(path, error)) return 'odd'
      throw error
    }
    close(fd) // its holder removed it while we waited
  }
}

/** Whether there is a record, legible or not, of whatever call. */
export function hasRecord(place: RecordPlace): boolean {
  return stat(pathOf(place)) !== undefined
}

/** What is larger than any record tells nothing, and would outlast what is written over its beginning. */
function emptied(fd: number, path: string): Uint8Array {
  warn(`${path} is larger than ${LIMIT} bytes, so it is no record of flatnet: it is emptied`)
  truncate(fd, 0, path)
  return new Uint8Array()
}

/** Whether the plugin has had an attachment in the network, of whatever call: the directory outlives its records. */
export function hasHadRecords({ stateDir, plugin, network }: RecordsPlace): boolean {
  return stat(`${stateDir}/${network}/${plugin}`) !== undefined
}

export interface ListedRecord<T> {
  readonly path: string
  /** The attachment's key; it is in the file's name, so a damaged record has it too. */
  readonly key: string
  /** `damaged`: empty, torn or of an unknown version; then nothing else is known. */
  readonly state: RecordState | 'damaged'
  readonly containerId: string
  readonly ifName: string
  readonly content: T | undefined
  readonly sameBoot: boolean
}

/** Every record of a plugin in a network, for GC; unlocked, so claim one before acting on it. */
export function listRecords<T>(place: RecordsPlace): ListedRecord<T>[] {
  return keysIn(place).map((key) => readRecord<T>(place, key))
}

/** One of them. */
export function readRecord<T>({ stateDir, plugin, network, shape }: RecordsPlace, key: string): ListedRecord<T> {
  const path = `${stateDir}/${network}/${plugin}/${key}.json`
  const content = readContent(path, LIMIT)
  const record = content === undefined ? undefined : parse<T>(content, shape)
  return {
    path,
    key,
    state: record?.state ?? 'damaged',
    containerId: record?.containerId ?? '',
    ifName: record?.ifName ?? '',
    content: record?.content,
    sameBoot: record?.sameBoot ?? false,
  }
}

/** Keys of some of them, `most` at most: all calls together, each with a key of its own, come by all. */
export function someKeys(place: RecordsPlace, own: string, most: number): string[] {
  const keys = keysIn(place).filter((key) => key !== own)
  if (keys.length <= most) return keys
  const first = Number.parseInt(own.slice(0, 8), 16) % keys.length
  return [...keys.slice(first), ...keys.slice(0, first)].slice(0, most)
}

/** The keys of all of them. */
export function keysIn({ stateDir, plugin, network }: RecordsPlace): string[] {
  return entriesOf(`${stateDir}/${network}/${plugin}`).flatMap(({ name, kind }) =>
    name.startsWith('.') || !name.endsWith('.json') || kind === 'directory' ? [] : [name.slice(0, -5)],
  )
}

export interface ReadyRecord<T> {
  readonly network: string
  readonly key: string
  readonly containerId: string
  readonly ifName: string
  readonly content: T
}

/** The attachments of all networks that are there whole, since this boot, and are not being removed. Unlocked. */
export function listReady<T>(stateDir: string, plugin: string, shape: Shape): ReadyRecord<T>[] {
  return listLegible<T>(stateDir, plugin, shape).filter(({ state }) => state === 'ready')
}

/** The attachments of all networks since this boot, also those that are being made or removed. Unlocked. */
export function listLegible<T>(
  stateDir: string,
  plugin: string,
  shape: Shape,
): (ReadyRecord<T> & { readonly state: RecordState })[] {
  return networksIn(stateDir).flatMap((network) =>
    listRecords<T>({ stateDir, plugin, network, shape }).flatMap(
      ({ key, containerId, ifName, content, sameBoot, state }) =>
        content === undefined || !sameBoot || state === 'damaged'
          ? []
          : [{ network, key, containerId, ifName, content, state }],
    ),
  )
}

/** The networks that have records, of whatever plugin. */
export function networksIn(stateDir: string): string[] {
  return entriesOf(stateDir)
    .filter(({ kind }) => kind === 'directory')
    .map(({ name }) => name)
}

function pathOf({ stateDir, plugin, network, containerId, ifName }: RecordPlace): string {
  return `${stateDir}/${network}/${plugin}/${attachmentKey(network, containerId, ifName)}.json`
}

function claimed<T>(
  place: RecordPlace,
  path: string,
  fd: number,
  size: number,
  earlier: Earlier<T> | undefined,
): Claim<T> {
  let length = size
  return {
    earlier,
    write(state, content) {
      const bytes = render(place, state, content, length)
      writeAt(fd, bytes, 0, path)
      length = bytes.length
    },
    beginRemoval() {
      if (earlier === undefined) return
      try {
        this.write('removing', earlier.content)
      } catch (error) {
        if (!isErrno(error, 'ENOSPC', 'EDQUOT', 'EIO', 'EFBIG')) throw error
        warn(`cannot mark ${path} as being removed: ${messageOf(error)}`)
      }
    },
    remove() {
      try {
        unlink(path)
      } finally {
        close(fd)
      }
    },
    release() {
      close(fd)
    },
  }
}

const STATES: readonly RecordState[] = ['adding', 'ready', 'removing']
/** Blanks behind a record, so that it never grows by its state alone: a full disk must not stop DEL. */
const SPARE = 3

/** The file's JSON, padded with blanks to `size` bytes at least. */
function render<T>(place: RecordPlace, state: RecordState, content: T, size = 0): Uint8Array {
  const { network, containerId, ifName } = place
  const record = { version: 1, state, network, containerId, ifName, boot: bootId(), pid: processId(), content }
  const text = encodeUtf8(JSON.stringify(record))
  const bytes = new Uint8Array(Math.max(text.length + (state === 'removing' ? 0 : SPARE) + 1, size)).fill(32)
  if (bytes.length > LIMIT) throw tooLarge(place, bytes.length)
  bytes.set(text)
  bytes[bytes.length - 1] = 10
  return bytes
}

function tooLarge({ plugin, containerId, ifName }: RecordPlace, size: number): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `the record of ${containerId}/${ifName} would have ${size} bytes, more than ${LIMIT}, which is the limit`,
    `give ${plugin} a shorter configuration for this container: fewer entries in its lists`,
  )
}

interface Parsed<T> extends Earlier<T> {
  readonly containerId: string
  readonly ifName: string
  readonly pid: number
}

/** Undefined for what no call of ours completed: 0 bytes, torn, another version. */
function parse<T>(bytes: Uint8Array, shape?: Shape): Parsed<T> | undefined {
  let value: unknown
  try {
    value = JSON.parse(decodeUtf8(bytes) ?? '')
  } catch {
    return undefined
  }
  const { version, state, containerId, ifName, boot, pid, content } = (value ?? {}) as Record<string, unknown>
  if (version !== 1 || !STATES.includes(state as RecordState)) return undefined
  if (typeof containerId !== 'string' || typeof ifName !== 'string' || content === undefined) return undefined
  if (shape !== undefined && !hasShape(content, shape)) return undefined
  const sameBoot = boot === bootId()
  return {
    state: state as RecordState,
    content: content as T,
    sameBoot,
    containerId,
    ifName,
    pid: typeof pid === 'number' ? pid : 0,
  }
}

function busy({ containerId, ifName }: RecordPlace, bytes: Uint8Array): CniError {
  const pid = parse(bytes)?.pid ?? 0
  const holder = pid === 0 ? 'its holder has not said who it is' : `the last to write its record was process ${pid}`
  return new CniError(
    ErrorCode.TryAgainLater,
    `attachment ${containerId}/${ifName} is busy`,
    `another call has worked on it for ${PATIENCE / 1000} s; ${holder}${pid === 0 ? '' : `: ps -fp ${pid}`}`,
  )
}
