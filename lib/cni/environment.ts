/**
 * The protocol's parameters, from the environment. https://www.cni.dev/docs/spec/#parameters
 * One table says which variable is required for which command and what it must look like.
 */

import { escapeBytes } from '../sys/text.js'
import { CniError, ErrorCode } from './error.js'

export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type Command = (typeof COMMANDS)[number]

export interface Environment {
  readonly command: Command
  readonly containerId: string
  /** `''` where the runtime gave none (DEL). */
  readonly netns: string
  readonly ifName: string
  /** CNI_ARGS as it came. */
  readonly args: string
  /** Directories of CNI_PATH, in order. */
  readonly path: readonly string[]
}

/** The value of a variable; bytes where it is not UTF-8. */
export type ReadVariable = (name: string) => string | Uint8Array | undefined

interface Variable {
  readonly name: string
  readonly required: readonly Command[]
  /** Why the value is not acceptable; undefined where it is. Asked only for commands that use it. */
  readonly refuse?: (value: string) => string | undefined
}

const ATTACHMENT: readonly Command[] = ['ADD', 'DEL', 'CHECK']

const VARIABLES: readonly Variable[] = [
  { name: 'CNI_CONTAINERID', required: ATTACHMENT, refuse: refuseIdentifier },
  { name: 'CNI_NETNS', required: ['ADD', 'CHECK'] },
  { name: 'CNI_IFNAME', required: ATTACHMENT, refuse: refuseInterfaceName },
  { name: 'CNI_PATH', required: ['GC'] },
]

/** Reads and checks every variable the command needs; one error names all that are missing. */
export function readEnvironment(read: ReadVariable): Environment {
  const command = text(read, 'CNI_COMMAND')
  if (command === '') throw missing(['CNI_COMMAND'])
  if (!(COMMANDS as readonly string[]).includes(command)) {
    throw new CniError(
      ErrorCode.InvalidEnvironment,
      `unknown CNI_COMMAND: "${command}"`,
      `CNI_COMMAND must be one of ${COMMANDS.join(', ')}, in capitals`,
    )
  }
  const values: Record<string, string> = {}
  const absent: string[] = []
  for (const { name, required, refuse } of VARIABLES) {
    const needed = required.includes(command as Command)
    if (!needed) {
      values[name] = loose(read, name)
      continue
    }
    const value = command === 'DEL' && name === 'CNI_IFNAME' ? bytewise(read, name) : text(read, name)
    values[name] = value
    if (value === '') {
      absent.push(name)
      continue
    }
    const reason = refuse?.(value)
    if (reason !== undefined) {
      throw new CniError(ErrorCode.InvalidEnvironment, `invalid ${name} ${JSON.stringify(value)}: ${reason}`)
    }
  }
  if (absent.length > 0) throw missing(absent)
  return {
    command: command as Command,
    containerId: values['CNI_CONTAINERID'] ?? '',
    netns: values['CNI_NETNS'] ?? '',
    ifName: values['CNI_IFNAME'] ?? '',
    args: ATTACHMENT.includes(command as Command) ? text(read, 'CNI_ARGS') : '',
    path: (values['CNI_PATH'] ?? '').split(':').filter((entry) => entry !== ''),
  }
}

function missing(names: readonly string[]): CniError {
  const plural = names.length === 1 ? 'variable' : 'variables'
  return new CniError(ErrorCode.InvalidEnvironment, `required env ${plural} [${names.join(',')}] missing`)
}

function text(read: ReadVariable, name: string): string {
  const value = read(name) ?? ''
  if (typeof value === 'string') return value
  throw new CniError(ErrorCode.InvalidEnvironment, `invalid ${name}: it is not valid UTF-8`)
}

/**
 * A value that need not be UTF-8: the reference plugins give an interface a name of any bytes, and what they attached must
 * end by our DEL.
 */
function bytewise(read: ReadVariable, name: string): string {
  const value = read(name) ?? ''
  return typeof value === 'string' ? value : escapeBytes(value)
}

/** A value the command does not depend on: whatever is wrong with it is not this call's concern. */
function loose(read: ReadVariable, name: string): string {
  const value = read(name) ?? ''
  return typeof value === 'string' ? value : ''
}

/** Container IDs and network names: `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$` (spec section 2). */
export function refuseIdentifier(value: string): string | undefined {
  for (let at = 0; at < value.length; at++) {
    const c = value.charCodeAt(at)
    const alphanumeric = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
    if (alphanumeric || (at > 0 && (c === 45 || c === 46 || c === 95))) continue
    return at === 0
      ? 'it must start with a letter or a digit'
      : `character ${JSON.stringify(value[at])} is not allowed: only letters, digits, "_", "." and "-" are`
  }
  return undefined
}

/** What Linux takes as an interface name (dev_valid_name, net/core/dev.c), and no name template. */
export function refuseInterfaceName(value: string): string | undefined {
  if (utf8Length(value) > 15) return 'an interface name has at most 15 bytes'
  if (value === '.' || value === '..') return '"." and ".." are not allowed'
  if (value === 'all' || value === 'default') {
    return `the kernel makes no interface of that name: net.ipv4.conf.${value} is there already, and is not one`
  }
  for (const character of value) {
    if (character === '/' || character === ':' || character.trim() === '' || character < ' ') {
      return `character ${JSON.stringify(character)} is not allowed`
    }
  }
  if (value.includes('%')) return '"%" is not allowed: the kernel would take it as a template for a name of its own'
  return undefined
}

function utf8Length(value: string): number {
  let length = 0
  for (const character of value) {
    const point = character.codePointAt(0) ?? 0
    // One byte that is no UTF-8 stands as a lone surrogate (escapeBytes).
    if (point >= 0xdc80 && point <= 0xdcff) length += 1
    else length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  return length
}
