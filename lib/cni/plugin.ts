/**
 * A plugin: its commands behind the protocol. `definePlugin` is all a main.ts calls; the executable
 * runs `main`, another plugin of this suite runs `delegate` in its own process.
 */

import { requireContainer } from '../netns/namespace.js'
import { SysError } from '../sys/errno.js'
import { readAll, writeAll } from '../sys/file.js'
import { warn } from '../sys/log.js'
import { environment } from '../sys/process.js'
import { reportStack } from '../sys/stack.js'
import { decodeUtf8, encodeUtf8, visible } from '../sys/text.js'
import { isAskedAbout, sayAbout } from './about.js'
import { parseArgs } from './args.js'
import { validAttachments } from './attachments.js'
import { applySchema, type Json, type NetworkConfig, parseStdin, readIdentity } from './config.js'
import { toVersion } from './convert.js'
import { type Environment, readEnvironment } from './environment.js'
import { CniError, ErrorCode, isInterrupted, messageOf, toCniError } from './error.js'
import { readPrevResult } from './prev-result.js'
import type { AddRequest, CheckRequest, DelRequest, GcRequest, Request, StatusRequest } from './request.js'
import type { Result } from './result.js'
import type { Schema } from './schema.js'
import { atLeast, type CniVersion, isReleased, NEWEST } from './version.js'
import { answerVersion } from './version-command.js'

export interface Plugin<C extends NetworkConfig> {
  readonly name: string
  readonly schema: Schema
  /** CNI_ARGS that are no KEY=value pairs are an error on ADD and CHECK; elsewhere they are nobody's business. */
  readonly usesArgs?: boolean
  /** An IPAM plugin has no business in the container: CNI_NETNS may be any path. */
  readonly anyNetns?: true
  /** An IPAM plugin's result is for the plugin that called it, which can use what its version has no room for. */
  readonly answersPlugins?: true
  add(request: AddRequest<C>): Result
  check(request: CheckRequest<C>): void
  del(request: DelRequest<C>): void
  gc?(request: GcRequest<C>): void
  status?(request: StatusRequest<C>): void
}

/** The two doors of a plugin. Every main.ts exports the first; the second only that of an IPAM plugin. */
export interface Bundle {
  /** Runs one command of the protocol; the exit status. */
  readonly main: () => number
  /** Runs a command for a plugin in the same process; the result of ADD in the configuration's version. */
  readonly delegate: (environment: Environment, stdin: Uint8Array, raw: Json) => Json | undefined
}

const STDIN_LIMIT = 16 << 20

export function definePlugin<C extends NetworkConfig>(plugin: Plugin<C>): Bundle {
  return {
    main: () => main(plugin),
    delegate: (env, stdin, raw) => dispatch(plugin, env, stdin, raw, undefined, true)?.result,
  }
}

/** A result of ADD that has not been told yet. */
interface Added {
  readonly result: Json
  /** Takes back what the ADD did. */
  readonly undo: () => void
}

function main<C extends NetworkConfig>(plugin: Plugin<C>): number {
  if (isAskedAbout()) {
    sayAbout(plugin.name)
    return 0
  }
  let version: CniVersion = NEWEST
  try {
    const env = readEnvironment(environment)
    if (env.command === 'VERSION') {
      print(answerVersion())
      return 0
    }
    const stdin = readStdin()
    const raw = parseStdin(stdin, decodeUtf8)
    const claimed = raw['cniVersion']
    if (typeof claimed === 'string' && isReleased(claimed)) version = claimed
    const added = dispatch(plugin, env, stdin, raw, plugin.anyNetns ? undefined : requireContainer)
    if (added !== undefined) tell(added)
    return 0
  } catch (error) {
    if (isUnwritable(error)) return 1
    reportStack(error)
    const { code, message, details } = toCniError(error)
    try {
      print({
        cniVersion: version,
        code,
        msg: visible(message),
        ...(details === '' ? {} : { details: visible(details) }),
      })
    } catch (unsaid) {
      // The exit status still says it. Any other failure, as of memory, is for the engine's last words.
      if (!isUnwritable(unsaid)) throw unsaid
    }
    return 1
  }
}

/** A result that nobody can read is as if ADD had failed: the runtime must find nothing attached. */
function tell({ result, undo }: Added): void {
  try {
    print(result)
  } catch (error) {
    warn(`${messageOf(error)}: the result of ADD cannot be told, so it is undone`)
    try {
      undo()
    } catch (failure) {
      warn(`not all could be undone: ${messageOf(failure)}`)
    }
    throw error
  }
}

function isUnwritable(error: unknown): boolean {
  return error instanceof SysError && error.subject === 'stdout'
}

/** The only writer of stdout. */
function print(value: Json): void {
  const bytes = encodeUtf8(`${JSON.stringify(value)}\n`)
  try {
    writeAll(1, bytes, 'stdout')
  } catch (error) {
    // A stop signal that came too late: what is done is done, and has been told.
    if (!isInterrupted(error)) throw error
  }
}

function readStdin(): Uint8Array {
  try {
    return readAll(0, STDIN_LIMIT, 'stdin')
  } catch (error) {
    if (!(error instanceof SysError)) throw error
    if (error.code === 'EFBIG') {
      throw new CniError(ErrorCode.DecodingFailure, 'error parsing configuration: stdin is larger than 16 MiB')
    }
    const code = error.code === 'EBADF' ? ErrorCode.DecodingFailure : ErrorCode.IoFailure
    throw new CniError(code, `error reading from stdin: ${error.message}`)
  }
}

function dispatch<C extends NetworkConfig>(
  plugin: Plugin<C>,
  env: Environment,
  stdin: Uint8Array,
  raw: Json,
  requireNetns: (path: string) => void = () => undefined,
  delegated = false,
): Added | undefined {
  const { name: network, version } = readIdentity(raw)
  requireVersion(env, version)
  const { command, containerId, ifName, netns, path } = env
  const lenient = command === 'DEL' || command === 'GC'
  // Where this plugin is another's, that one has said what is the same for both.
  const say = delegated ? () => undefined : warn
  attempt(lenient, () => refuseList(plugin.name, raw), say)
  const config = applySchema<C>(raw, plugin.schema, warn, lenient)
  const request: Request<C> = { command, network, cniVersion: version, config, path, stdin, raw }
  if (command === 'GC') {
    const valid = validAttachments(raw)
    if (valid === undefined) say('GC without "cni.dev/valid-attachments": nothing is removed')
    plugin.gc?.({ ...request, valid })
    return undefined
  }
  if (command === 'STATUS') {
    plugin.status?.(request)
    return undefined
  }
  const attachment = {
    ...request,
    containerId,
    ifName,
    netns,
    args: parseArgs(env.args, lenient || plugin.usesArgs !== true),
    rawArgs: env.args,
  }
  const prevResult = attempt(lenient, () => readPrevResult(raw, version), say)
  const previous = prevResult === undefined ? {} : { prevResult }
  if (command === 'DEL') {
    plugin.del({ ...attachment, ...previous })
    return undefined
  }
  if (command === 'CHECK') {
    if (prevResult === undefined) {
      throw new CniError(
        ErrorCode.InvalidConfig,
        'required prevResult missing',
        'CHECK compares with the result of ADD',
      )
    }
    requireNetns(netns)
    plugin.check({ ...attachment, prevResult })
    return undefined
  }
  requireNetns(netns)
  const result = plugin.add({ ...attachment, ...previous })
  const undo = () => plugin.del({ ...attachment, ...previous, command: 'DEL' })
  try {
    return { result: toVersion(result, version, { keepRoutes: plugin.answersPlugins === true }), undo }
  } catch (error) {
    // The version has no words for it.
    undo()
    throw error
  }
}

/** A person's mistake: a runtime takes a list apart. */
function refuseList(plugin: string, raw: Json): void {
  if (!Array.isArray(raw['plugins'])) return
  throw new CniError(
    ErrorCode.InvalidConfig,
    'stdin is a whole network configuration list, not the configuration of one plugin',
    `give ${plugin} its own entry of "plugins", with "name" and "cniVersion" of the list: jq '.plugins[0] + {name, cniVersion}' LIST`,
  )
}

function requireVersion({ command }: Environment, version: CniVersion): void {
  const floor = command === 'CHECK' ? '0.4.0' : command === 'GC' || command === 'STATUS' ? '1.1.0' : '0.1.0'
  if (atLeast(version, floor)) return
  throw new CniError(
    ErrorCode.IncompatibleVersion,
    `config version "${version}" does not allow ${command}`,
    `${command} came with version ${floor}: raise cniVersion in the network configuration`,
  )
}

/** On DEL what cannot be read is a warning. */
function attempt<T>(lenient: boolean, read: () => T, say: (line: string) => void): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!lenient) throw error
    say(messageOf(error))
    return undefined
  }
}
