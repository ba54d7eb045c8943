/** Where the table of nodes comes from, and whether it is still the one that was applied. */

import { wallClock } from '../sys/clock.js'
import { LARGEST, readText } from '../sys/content.js'
import { stat } from '../sys/file.js'
import { decodeUtf8, sha256Hex } from '../sys/text.js'
import { NodesError } from './error.js'
import type { Node } from './model.js'
import { parseTable } from './table.js'

export type TableSource =
  | { readonly inline: unknown /** The configuration as it came, where it did. */; readonly stdin: Stdin | undefined }
  | { readonly file: string }

/** A configuration as bytes, and parsed with its keys in their order. */
export interface Stdin {
  readonly bytes: Uint8Array
  readonly raw: Record<string, unknown>
}

/** What the table was when it was applied. */
export interface TableMark {
  /** Device, inode, size and modification time of the file; `''` for an inline table. */
  readonly file: string
  /** SHA-256 of the content. */
  readonly digest: string
  /** Whether the file was old enough when read that a later change must show in its modification time. */
  readonly settled: boolean
}

/** Longest step of a filesystem's clock (FAT: 2 s). */
const CLOCK_STEP = 2000

/** Where a pointer into the table points: ` in <file>`, or nothing for the configuration. */
export function placeOf(source: TableSource): string {
  return 'file' in source ? `in ${source.file}` : ''
}

/** Whether the table is certainly the one of `mark`. Cheap for a file: one stat, most of the time. */
export function isUnchanged(source: TableSource, mark: TableMark): boolean {
  if (!('file' in source)) return mark.file === '' && inlineDigest(source) === mark.digest
  const identity = fileIdentity(source.file)
  if (identity === undefined || identity.text !== mark.file) return false
  if (mark.settled) return true
  const text = readTable(source.file)
  return text !== undefined && digestOf(text) === mark.digest
}

export interface LoadedTable {
  readonly nodes: Node[]
  /** `''` for an inline table. */
  readonly file: string
  readonly mark: TableMark
}

/** Reads and judges the table. Throws `not-yet` where its file is missing or half-written, `invalid` where it is wrong. */
export function loadTable(network: string, source: TableSource): LoadedTable {
  if (!('file' in source)) {
    const mark = { file: '', digest: inlineDigest(source), settled: true }
    return { nodes: parseTable(source.inline), file: '', mark }
  }
  const { file } = source
  const identity = fileIdentity(file)
  const text = identity === undefined ? undefined : readTable(file)
  if (identity === undefined || text === undefined) throw missing(network, file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new NodesError(
      'not-yet',
      `the table of nodes ${file} is not JSON: ${(error as Error).message}`,
      'it may be half-written: the program that writes it should write another file and rename it',
    )
  }
  const table = (value as { nodes?: unknown } | null)?.nodes
  const mark = { file: identity.text, digest: digestOf(text), settled: wallClock() - identity.modified > CLOCK_STEP }
  return { nodes: parseTable(table, placeOf(source)), file, mark }
}

function readTable(file: string): string | undefined {
  return readText(file, LARGEST, { configured: true })
}

function missing(network: string, file: string): NodesError {
  return new NodesError(
    'not-yet',
    `the table of nodes ${file} does not exist`,
    `the program that knows the cluster's nodes writes it (your provisioning, or the node agent): {"nodes": [{"name", "addresses", "podCIDRs"}]}; ` +
      `network ${network} waits for it, or takes "nodes" in its configuration`,
  )
}

function fileIdentity(file: string): { readonly text: string; readonly modified: number } | undefined {
  const found = stat(file)
  if (found === undefined) return undefined
  const { seconds, nanoseconds } = found.modified
  return {
    text: `${found.device} ${found.inode} ${found.size} ${seconds}.${nanoseconds}`,
    modified: seconds * 1000 + nanoseconds / 1e6,
  }
}

function digestOf(text: string | Uint8Array): string {
  return sha256Hex(text)
}

function inlineDigest({ inline, stdin }: Extract<TableSource, { inline: unknown }>): string {
  return digestOf((stdin === undefined ? undefined : bytesOfTable(stdin)) ?? JSON.stringify(inline))
}

/**
 * The bytes of the configuration that hold the table, and perhaps more: from its key to the next one's. Found by two
 * searches, because writing a thousand nodes as JSON again takes longer than reading them did. Undefined where the
 * keys are not found once each.
 */
export function bytesOfTable({ bytes, raw }: Stdin): Uint8Array | undefined {
  const text = decodeUtf8(bytes)
  if (text === undefined || text.length !== bytes.length) return undefined // positions must be the same in both
  const keys = Object.keys(raw)
  const next = keys[keys.indexOf('nodes') + 1]
  const start = text.indexOf('"nodes"')
  const end = next === undefined ? text.length : text.lastIndexOf(JSON.stringify(next))
  if (start < 0 || end < start || text.indexOf('"nodes"', start + 1) >= 0) return undefined
  return bytes.subarray(start, end)
}
