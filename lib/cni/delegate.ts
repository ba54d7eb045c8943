/**
 * Delegation to an IPAM plugin. https://www.cni.dev/docs/spec/#section-4-plugin-delegation
 *
 * The executable is found in CNI_PATH as the specification says. When what is found is this very
 * executable, the plugin runs in this process; otherwise it is spawned. Both ways it gets the whole
 * configuration, and both ways its answer goes through the same conversion.
 */

import { isErrno } from '../sys/errno.js'
import { close, open, readAll, readLink, type Stat, seekFromEnd, stat } from '../sys/file.js'
import { buildId, knownPlugins, loadPlugin, OUTPUT_LIMIT, run } from '../sys/process.js'
import { decodeUtf8, hex } from '../sys/text.js'
import type { Json } from './config.js'
import { fromAnyVersion } from './convert.js'
import type { Command } from './environment.js'
import { CniError, ErrorCode, isInterrupted, messageOf } from './error.js'
import { nearest } from './nearest.js'
import type { Bundle } from './plugin.js'
import type { Request } from './request.js'
import type { Result } from './result.js'

/** The last bytes of our executables: build ID and magic (lib/engine/src/archive.rs). */
const TRAILER = 24
const MAGIC = '666c61746e657401'

/** Milliseconds a delegate may take: less than any runtime gives us. */
const PATIENCE: Partial<Record<Command, number>> = { ADD: 100_000, STATUS: 20_000 }
const OTHER_PATIENCE = 50_000

/** The IPAM plugins of containernetworking/plugins that this executable does not have. */
const REFERENCE_IPAM = ['dhcp']

/** The specification's codes are unsigned, and the runtime's types have 32 bits for them. */
const LARGEST_CODE = 2 ** 32 - 1

export interface Delegate {
  /** It is a plugin of this executable; otherwise another program. */
  readonly inThisProcess: boolean
  /** Runs ADD; after a failure of a foreign plugin its DEL has run already. */
  add(): Result
  /** Runs a command that answers nothing. */
  run(command: 'DEL' | 'CHECK' | 'GC' | 'STATUS'): void
}

/** Members of a request that name the attachment; absent for GC and STATUS. */
interface Attachment {
  readonly containerId?: string
  readonly ifName?: string
  readonly netns?: string
  readonly rawArgs?: string
}

/** The delegate of `type` for this request. Throws code 7 (50 on STATUS) where there is none. */
export function findDelegate(type: string, request: Request<unknown> & Attachment): Delegate {
  refuseInterfacePlugin(type)
  const { path, found } = locate(type, request)
  const own = doorOf(type) !== undefined && isThisExecutable(path, found)
  const execute = (command: Command) => (own ? inProcess(type, command, request) : spawned(path, command, request))
  return {
    inThisProcess: own,
    add() {
      try {
        return fromAnyVersion(execute('ADD'), request.cniVersion, `the result of IPAM plugin ${type}`)
      } catch (error) {
        // A transaction of our own undid itself, unless the signal came between its end and our knowing of it.
        // A stranger's may have left something.
        if (!own || isInterrupted(error)) attempt(() => execute('DEL'))
        throw error
      }
    },
    run(command) {
      execute(command)
    },
  }
}

/** A plugin of ours that gives no addresses would call itself as its own IPAM plugin, without end. */
function refuseInterfacePlugin(type: string): void {
  if (!knownPlugins().includes(type) || doorOf(type) !== undefined) return
  throw new CniError(
    ErrorCode.InvalidConfig,
    `"${type}" is not an IPAM plugin`,
    `set "ipam.type" to ${ownIpam().join(' or ')}, or to another plugin that gives addresses`,
  )
}

/** How an IPAM plugin of this executable is called in this process; undefined for any other plugin. */
function doorOf(type: string): Bundle['delegate'] | undefined {
  return (loadPlugin(type) as Partial<Bundle> | undefined)?.delegate
}

function ownIpam(): string[] {
  return knownPlugins().filter((name) => doorOf(name) !== undefined)
}

function locate(type: string, { path, command }: Request<unknown>): { path: string; found: Stat } {
  if (type === '' || type.includes('/') || type.includes('\\') || type === '.' || type === '..') {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid plugin name: ${JSON.stringify(type)}`,
      'ipam.type is a file name in CNI_PATH',
    )
  }
  if (path.length === 0) {
    throw new CniError(
      ErrorCode.InvalidEnvironment,
      'required env variables [CNI_PATH] missing',
      `it says where to find "${type}"`,
    )
  }
  for (const directory of path) {
    const candidate = `${directory}/${type}`
    const found = statusOf(candidate)
    if (found?.kind === 'file') return { path: candidate, found }
  }
  throw new CniError(
    command === 'STATUS' ? ErrorCode.NotAvailable : ErrorCode.InvalidConfig,
    `failed to find plugin "${type}" in path [${path.join(' ')}]`,
    whereToGet(type, path[0] ?? ''),
  )
}

/** Advice about a plugin that is not in CNI_PATH. */
function whereToGet(type: string, directory: string): string {
  const own = ownIpam()
  if (own.includes(type)) return `this executable is that plugin, too: cp ${ownPath()} ${directory}/${type}`
  if (REFERENCE_IPAM.includes(type)) {
    return `flatnet has no ${type}: install it from containernetworking/plugins into ${directory}`
  }
  const meant = nearest(type, [...own, ...REFERENCE_IPAM])
  return meant === undefined
    ? `flatnet has no ${type}: install that plugin into ${directory}, or correct "ipam.type"`
    : `did you mean "ipam": {"type": "${meant}"}?`
}

function ownPath(): string {
  return readLink('/proc/self/exe') ?? 'flatnet'
}

/** An entry that cannot be looked at is not there: the next may hold the plugin. */
function statusOf(path: string): Stat | undefined {
  try {
    return stat(path)
  } catch (error) {
    if (isErrno(error, 'EACCES', 'ELOOP', 'ENAMETOOLONG', 'EINVAL')) return undefined
    throw error
  }
}

/** The same file, or a copy of the same build: copying splits hard links. */
function isThisExecutable(path: string, found: Stat): boolean {
  const own = stat('/proc/self/exe')
  if (own === undefined || own.size !== found.size) return false
  if (own.inode === found.inode && own.device === found.device) return true
  try {
    const fd = open(path)
    try {
      seekFromEnd(fd, TRAILER)
      return hex(readAll(fd, TRAILER)) === hex(buildId()) + MAGIC
    } finally {
      close(fd)
    }
  } catch {
    return false // what cannot be read may still be executed
  }
}

function inProcess(type: string, command: Command, request: Request<unknown> & Attachment): Json | undefined {
  const delegate = doorOf(type) as Bundle['delegate']
  const { containerId = '', ifName = '', netns = '', rawArgs: args = '', path, stdin, raw } = request
  return delegate({ command, containerId, ifName, netns, args, path }, stdin, raw)
}

function spawned(path: string, command: Command, request: Request<unknown>): unknown {
  const patience = PATIENCE[command] ?? OTHER_PATIENCE
  let finished: { status: number; stdout: Uint8Array }
  try {
    finished = run(path, `CNI_COMMAND=${command}`, request.stdin, patience)
  } catch (error) {
    if (isInterrupted(error)) throw error
    const slow = isErrno(error, 'ETIMEDOUT')
    const talkative = isErrno(error, 'EFBIG')
    throw new CniError(
      slow ? ErrorCode.TryAgainLater : ErrorCode.DelegateFailed,
      `cannot run IPAM plugin ${path}: ${messageOf(error)}`,
      slow
        ? `it did not answer ${command} within ${patience / 1000} s and was killed`
        : talkative
          ? `it printed more than ${OUTPUT_LIMIT >> 20} MiB and was killed: a result has some hundred bytes`
          : 'is it executable, and built for this machine?',
    )
  }
  const { status, stdout } = finished
  const text = decodeUtf8(stdout)
  let answer: unknown
  try {
    answer = JSON.parse(text ?? '')
  } catch {
    answer = undefined
  }
  if (status === 0) {
    if (command !== 'ADD') return undefined
    if (answer === undefined) {
      throw new CniError(ErrorCode.DelegateFailed, `IPAM plugin ${path} printed no result`, excerpt(text))
    }
    return answer
  }
  const error = answer as { code?: unknown; msg?: unknown; details?: unknown } | null | undefined
  if (typeof error?.msg === 'string' && error.msg !== '') {
    const details = typeof error.details === 'string' ? error.details : ''
    throw new CniError(isCode(error.code) ? error.code : ErrorCode.DelegateFailed, error.msg, details)
  }
  throw new CniError(
    ErrorCode.DelegateFailed,
    `IPAM plugin ${path} failed ${command} with status ${status}`,
    excerpt(text),
  )
}

/** Whether a runtime could read it: it takes -1.5 for a plugin that printed no error at all. */
function isCode(code: unknown): code is number {
  return Number.isInteger(code) && (code as number) > 0 && (code as number) <= LARGEST_CODE
}

function excerpt(text: string | undefined): string {
  return text === undefined || text.trim() === '' ? 'it printed nothing' : `it printed: ${text.trim().slice(0, 200)}`
}

function attempt(action: () => unknown): void {
  try {
    action()
  } catch {
    // The first failure is the one to report.
  }
}
