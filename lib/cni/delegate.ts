/**
 * Delegation to an IPAM plugin. https://www.cni.dev/docs/spec/#section-4-plugin-delegation
 *
 * The executable is found in CNI_PATH as the specification says. When what is found is this very
 * executable, the plugin runs in this process; otherwise it is spawned. Both ways it gets the whole
 * configuration, and both ways its answer goes through the same conversion.
 */

import { isErrno } from '../sys/errno.js'
import { close, open, readAll, type Stat, seekFromEnd, stat } from '../sys/file.js'
import { buildId, knownPlugins, loadPlugin, run } from '../sys/process.js'
import { decodeUtf8, hex } from '../sys/text.js'
import type { Json } from './config.js'
import { fromAnyVersion } from './convert.js'
import type { Command } from './environment.js'
import { CniError, ErrorCode, messageOf } from './error.js'
import type { Bundle } from './plugin.js'
import type { Request } from './request.js'
import type { Result } from './result.js'

/** The last bytes of our executables: build ID and magic (lib/engine/src/archive.rs). */
const TRAILER = 24
const MAGIC = '666c61746e657401'

/** Milliseconds a delegate may take: less than any runtime gives us. */
const PATIENCE: Partial<Record<Command, number>> = { ADD: 100_000, STATUS: 20_000 }
const OTHER_PATIENCE = 50_000

export interface Delegate {
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
  const { path, found } = locate(type, request)
  const own = isThisExecutable(path, found) && knownPlugins().includes(type)
  const execute = (command: Command) => (own ? inProcess(type, command, request) : spawned(path, command, request))
  return {
    add() {
      try {
        return fromAnyVersion(execute('ADD'), request.cniVersion, `the result of IPAM plugin ${type}`)
      } catch (error) {
        // A transaction of our own undid itself, unless the signal came between its end and our knowing of it.
        // A stranger's may have left something.
        if (!own || (error as { name?: unknown }).name === 'Interrupted') attempt(() => execute('DEL'))
        throw error
      }
    },
    run(command) {
      execute(command)
    },
  }
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
    `install it there: a flatnet executable becomes it by a link of that name (ln ${path[0]}/bridge ${path[0]}/${type})`,
  )
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
  const { delegate } = loadPlugin(type) as Bundle
  const { containerId = '', ifName = '', netns = '', rawArgs: args = '', path, stdin, raw } = request
  return delegate({ command, containerId, ifName, netns, args, path }, stdin, raw)
}

function spawned(path: string, command: Command, request: Request<unknown>): unknown {
  const patience = PATIENCE[command] ?? OTHER_PATIENCE
  let finished: { status: number; stdout: Uint8Array }
  try {
    finished = run(path, `CNI_COMMAND=${command}`, request.stdin, patience)
  } catch (error) {
    const slow = isErrno(error, 'ETIMEDOUT')
    throw new CniError(
      slow ? ErrorCode.TryAgainLater : ErrorCode.DelegateFailed,
      `cannot run IPAM plugin ${path}: ${messageOf(error)}`,
      slow
        ? `it did not answer ${command} within ${patience / 1000} s and was killed`
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
  if (typeof error?.msg === 'string' && typeof error.code === 'number') {
    throw new CniError(error.code, error.msg, typeof error.details === 'string' ? error.details : '')
  }
  throw new CniError(
    ErrorCode.DelegateFailed,
    `IPAM plugin ${path} failed ${command} with status ${status}`,
    excerpt(text),
  )
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
