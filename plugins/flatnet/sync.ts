/**
 * `flatnet sync CONFLIST`: what an ADD does to the node, without a pod. For a timer, a path unit, an agent: a node that
 * starts no pod still learns of a new node.
 */

import { applySchema, type Json, parseStdin, readIdentity } from '../../lib/cni/config.js'
import { CniError, ErrorCode, toCniError } from '../../lib/cni/error.js'
import type { Schema } from '../../lib/cni/schema.js'
import { openHost } from '../../lib/netns/namespace.js'
import type { Application } from '../../lib/nodes/apply.js'
import type { syncNodes } from '../../lib/nodes/cni/commands.js'
import type { NodesConfig } from '../../lib/nodes/cni/config.js'
import { judgeRanges, type Range, rangesOf } from '../../lib/nodes/cni/ranges.js'
import type { Mode } from '../../lib/nodes/model.js'
import { ARGUMENT_LIMIT, ARGUMENT_PATIENCE, readArgument } from '../../lib/sys/argument.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { loadPlugin } from '../../lib/sys/process.js'
import { reportStack } from '../../lib/sys/stack.js'
import { decodeUtf8 } from '../../lib/sys/text.js'
import { print } from './print.js'

/** What this command needs of a plugin's bundle. */
interface Syncing {
  readonly sync: typeof syncNodes
  readonly schema: Schema
}

const MODES: readonly string[] = ['host-gw', 'vxlan'] satisfies readonly Mode[]

export function sync(words: readonly string[]): number {
  const json = words.includes('--json')
  const unknown = words.find((word) => word.startsWith('-') && word !== '--json')
  const [file, another] = words.filter((word) => !word.startsWith('-'))
  if (unknown !== undefined || file === undefined || another !== undefined) {
    warn(unknown === undefined ? 'usage: flatnet sync [--json] CONFLIST' : `sync has no option ${unknown}`)
    return 2
  }
  try {
    const list = parseStdin(readList(file), decodeUtf8)
    const { name } = readIdentity(list)
    const plugins = pluginsOf(list)
    const ranges = plugins.flatMap(({ ipam }) => rangesOf(ipam))
    const reports = plugins.filter(hasTable).map((config) => syncOne(name, config, ranges))
    if (reports.length === 0) throw nothingToDo(file)
    print(json ? `${JSON.stringify(reports)}\n` : reports.map(readable).join(''))
    return reports.every(({ refused }) => refused.length === 0) ? 0 : 1
  } catch (error) {
    reportStack(error)
    const { code, message, details } = toCniError(error)
    if (json) print(`${JSON.stringify({ code, msg: message, details })}\n`)
    warn(message)
    if (details !== '') warn(`  ${details}`)
    return 1
  }
}

function readList(file: string): Uint8Array {
  try {
    return readArgument(file)
  } catch (error) {
    if (isErrno(error, 'EFBIG')) {
      const most = `a network configuration has at most ${ARGUMENT_LIMIT >> 20} MiB`
      throw new CniError(ErrorCode.InvalidConfig, `${file} is too large`, most)
    }
    if (isErrno(error, 'ETIMEDOUT')) {
      const waited = `it is a pipe, and no program wrote it to its end within ${ARGUMENT_PATIENCE / 1000} s`
      throw new CniError(ErrorCode.TryAgainLater, `cannot read ${file}`, waited)
    }
    throw error
  }
}

/** The members of a list, or a configuration by itself. */
function pluginsOf(list: Json): Json[] {
  const plugins = Array.isArray(list['plugins']) ? (list['plugins'] as unknown[]) : [list]
  return plugins.filter((plugin): plugin is Json => typeof plugin === 'object' && plugin !== null)
}

function hasTable({ type }: Json): boolean {
  return typeof type === 'string' && MODES.includes(type)
}

function nothingToDo(file: string): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `${file} chains neither host-gw nor vxlan`,
    'there is no table of nodes to apply',
  )
}

interface Report {
  readonly network: string
  readonly plugin: string
  readonly node: string
  readonly changes: readonly string[]
  /** Peers and ranges that could not be served: the command fails for them, after it did the rest. */
  readonly refused: Application['refused']
}

function syncOne(network: string, raw: Json, ranges: readonly Range[]): Report {
  const plugin = raw['type'] as Mode
  const { sync: run, schema } = loadPlugin(plugin) as Syncing
  const config = applySchema<NodesConfig>({ ...raw, name: network }, schema, warn)
  const { desired, changes, refused, stamp } = run(openHost(), plugin, network, config)
  const trouble = judgeRanges(ranges, stamp)
  if (trouble === undefined) return { network, plugin, node: desired.self.name, changes, refused }
  warn(trouble.reason)
  return {
    network,
    plugin,
    node: stamp.node,
    changes,
    refused: [...refused, { node: stamp.node, reason: trouble.reason }],
  }
}

function readable({ network, plugin, node, changes }: Report): string {
  const count =
    changes.length === 0 ? 'nothing to change' : `${changes.length} change${changes.length === 1 ? '' : 's'}`
  return [`${network} (${plugin}) on ${node}: ${count}`, ...changes.map((line) => `  ${line}`), ''].join('\n')
}
