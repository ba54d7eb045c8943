/** The network configuration on stdin: decoded, checked against the plugin's schema, typed. */

import { refuseIdentifier } from './environment.js'
import { CniError, ErrorCode, messageOf } from './error.js'
import { normalizeKeys } from './keys.js'
import type { Schema, Violation } from './schema.js'
import { type CniVersion, isReleased, OLDEST, VERSIONS } from './version.js'

/** What every plugin's configuration has. */
export interface NetworkConfig {
  readonly cniVersion?: string
  readonly name: string
  readonly type?: string
  readonly ipam?: { readonly type?: string }
  readonly dns?: {
    readonly nameservers?: string[]
    readonly domain?: string
    readonly search?: string[]
    readonly options?: string[]
  }
  /** Where this plugin keeps its records; default `/run/flatnet`. */
  readonly stateDir?: string
}

export type Json = Record<string, unknown>

/** A file named after a network must have room for its suffixes. */
const LONGEST_NAME = 200

/** Parses stdin; code 6 for what is not a JSON object. `decode` is strict UTF-8. */
export function parseStdin(bytes: Uint8Array, decode: (bytes: Uint8Array) => string | undefined): Json {
  const wrong = (why: string) => new CniError(ErrorCode.DecodingFailure, `error parsing configuration: ${why}`)
  if (bytes.length === 0) throw wrong('stdin is empty; expected a network configuration')
  const text = decode(bytes)
  if (text === undefined) throw wrong('stdin is not valid UTF-8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrong(messageOf(error))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is not an object')
  return value as Json
}

/** The parts the protocol itself needs: `name` (code 7) and a supported `cniVersion` (codes 6 and 1). */
export function readIdentity(raw: Json): { readonly name: string; readonly version: CniVersion } {
  const version = raw['cniVersion'] ?? find(raw, 'cniversion') ?? ''
  if (typeof version !== 'string') {
    throw new CniError(ErrorCode.DecodingFailure, 'error parsing configuration: cniVersion is not a string')
  }
  const name = raw['name'] ?? find(raw, 'name') ?? ''
  if (typeof name !== 'string' || name === '') {
    throw new CniError(ErrorCode.InvalidConfig, 'missing network name', 'set "name" in the network configuration')
  }
  const refused =
    refuseIdentifier(name) ?? (name.length > LONGEST_NAME ? `it has more than ${LONGEST_NAME} characters` : undefined)
  if (refused !== undefined) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid network name ${JSON.stringify(name.slice(0, 300))}: ${refused}`,
    )
  }
  if (version === '') return { name, version: OLDEST }
  if (!isReleased(version)) {
    throw new CniError(
      ErrorCode.IncompatibleVersion,
      'incompatible CNI versions',
      `config is ${JSON.stringify(version.slice(0, 50))}, plugin supports ${JSON.stringify(VERSIONS)}`,
    )
  }
  return { name, version }
}

function find(raw: Json, lowerCase: string): unknown {
  const key = Object.keys(raw).find((candidate) => candidate.toLowerCase() === lowerCase)
  return key === undefined ? undefined : raw[key]
}

/**
 * The configuration as the plugin's schema has it. Code 7 with the JSON pointer of the first violation.
 * With `lenient` (DEL, GC) a faulty member is dropped with a warning instead: what was configured must
 * be undone whatever became of the configuration since.
 */
export function applySchema<C>(raw: Json, schema: Schema, say: (text: string) => void, lenient = false): C {
  let config = normalizeKeys(raw, schema.keys, lenient ? () => {} : say) as Json
  for (let round = 0; !schema.validate(config); round++) {
    const violation = schema.validate.errors?.[0]
    const error = new CniError(ErrorCode.InvalidConfig, `invalid configuration: ${describe(violation, config)}`)
    if (!lenient) throw error
    say(error.message)
    // What was normal is the caller's own object still: a delegate wants it whole.
    if (round === 0) config = JSON.parse(JSON.stringify(config)) as Json
    if (violation === undefined || round > 50 || !drop(config, violation.instancePath.split('/').slice(1))) break
  }
  return config as C
}

function describe(violation: Violation | undefined, config: Json): string {
  if (violation === undefined) return 'it does not fit the schema'
  const { instancePath, message = 'is not valid', params } = violation
  const allowed = params['allowedValues']
  const value = JSON.stringify(at(config, instancePath.split('/').slice(1))) ?? 'nothing'
  const got = instancePath === '' ? '' : `, got ${value.length > 60 ? `${value.slice(0, 60)}…` : value}`
  return `"${instancePath === '' ? '/' : instancePath}" ${message}${Array.isArray(allowed) ? `: ${allowed.join(', ')}` : ''}${got}`
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Json | undefined)?.[key], value)
}

/** Drops the member at `path`, or the list it sits in: half a list is another configuration. */
function drop(config: Json, path: readonly string[]): boolean {
  const list = path.findIndex((_, depth) => Array.isArray(at(config, path.slice(0, depth))))
  const whole = list === -1 ? path : path.slice(0, list)
  const key = whole[whole.length - 1]
  if (key === undefined) return false
  const holder = at(config, whole.slice(0, -1)) as Json | undefined
  if (holder === undefined || !(key in holder)) return false
  delete holder[key]
  return true
}
