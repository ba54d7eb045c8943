/** What the suite has to know about a plugin: a JSON file of ten lines, checked as it is read. */

import { readFileSync } from 'node:fs'
import { type Feature, isFeature } from './features.js'
import { isObject, type Json } from './json.js'

export type Kind = 'interface' | 'chained' | 'ipam'

export interface Descriptor {
  /** The executable's name. */
  readonly type: string
  readonly kind: Kind
  /**
   * The smallest valid configuration, without `cniVersion` and `name`; of an IPAM plugin its section. It
   * must change something when it is applied to an attachment.
   */
  readonly config: Json
  /** The oldest version at which `config` can work: one whose results have what it asks for. */
  readonly since?: string
  /** Key of the section whose `type` the plugin runs: `ipam`. The suite puts a scripted plugin there. */
  readonly delegates?: string
  /** The one interface name the plugin takes, where it ignores CNI_IFNAME: `lo`. */
  readonly ifName?: string
  /** By capability name a value to call with. */
  readonly capabilities?: Record<string, Json>
  /** Lines of the snapshot that may differ after the last DEL; `*` stands for anything. */
  readonly leaves?: readonly string[]
  /** Directories with the plugin's state. */
  readonly state?: readonly string[]
  /** Key (dotted path) of the configuration that names its state directory. */
  readonly stateKey?: string
  readonly needs?: readonly Feature[]
  /** Shell commands that prepare the host's namespace before every case. */
  readonly prepare?: readonly string[]
  /** Members laid over `config` that leave an interface without addresses; here and below null takes a member away. */
  readonly layer2?: Json
  /** Members laid over `config` with which a chained plugin changes nothing. */
  readonly noop?: Json
  /** Members laid over `config` that are wrong in meaning, not in type; each by a name. */
  readonly faults?: Record<string, Json>
  /** Dotted paths of numbers in `config` that no two attachments may share: the second's is one higher. */
  readonly perAttachment?: readonly string[]
  /** Dotted paths of numbers in `config`, or members it lacks (counted from 1), that no two networks may share. */
  readonly perNetwork?: readonly string[]
  /** An IPAM plugin whose configuration names the addresses, so that every attachment has the same. */
  readonly fixedAddresses?: true
  /** An IPAM plugin that promises not to give an address away again at once. */
  readonly roundRobin?: true
  /** A command for the host's namespace that undoes something of an attachment, so that CHECK must fail. */
  readonly spoil?: readonly string[]
}

const KINDS: readonly string[] = ['interface', 'chained', 'ipam'] satisfies Kind[]
const MEMBERS: Record<keyof Descriptor, (value: Json) => boolean> = {
  type: (value) => typeof value === 'string' && value !== '' && !value.includes('/'),
  kind: (value) => KINDS.includes(value),
  config: isObject,
  since: isString,
  delegates: isString,
  ifName: isString,
  capabilities: isObject,
  leaves: isStrings,
  state: isStrings,
  stateKey: isString,
  needs: (value) => isStrings(value) && value.every(isFeature),
  prepare: isStrings,
  layer2: isObject,
  noop: isObject,
  faults: (value) => isObject(value) && Object.values(value).every(isObject),
  perAttachment: isStrings,
  perNetwork: isStrings,
  fixedAddresses: (value) => value === true,
  roundRobin: (value) => value === true,
  spoil: isStrings,
}

/** The descriptor in a file; throws with the file's name. */
export function readDescriptorFile(path: string): Descriptor {
  try {
    return readDescriptor(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`)
  }
}

/** A descriptor from JSON; throws with the member's name where one is wrong. */
export function readDescriptor(json: Json): Descriptor {
  if (!isObject(json)) throw new Error('a descriptor is a JSON object')
  for (const [key, value] of Object.entries(json)) {
    if (!Object.hasOwn(MEMBERS, key)) {
      throw new Error(`descriptor: unknown member ${key}; there are ${Object.keys(MEMBERS).join(', ')}`)
    }
    if (MEMBERS[key as keyof Descriptor](value)) continue
    const wanted = key === 'kind' ? `; it is ${KINDS.slice(0, -1).join(', ')} or ${KINDS.at(-1)}` : ''
    throw new Error(`descriptor: bad ${key}: ${JSON.stringify(value)}${wanted}`)
  }
  for (const key of ['type', 'kind', 'config']) {
    if (!Object.hasOwn(json, key)) throw new Error(`descriptor: ${key} is missing`)
  }
  return json as unknown as Descriptor
}

/** Whether each attachment has addresses that no other one has. */
export function hasOwnAddresses({ ifName, fixedAddresses }: Descriptor): boolean {
  return ifName === undefined && fixedAddresses !== true
}

function isString(value: Json): value is string {
  return typeof value === 'string' && value !== ''
}

function isStrings(value: Json): value is string[] {
  return Array.isArray(value) && value.every(isString)
}
