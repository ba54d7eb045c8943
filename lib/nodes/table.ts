/**
 * The table of nodes as it comes, JSON of a file or a configuration, judged entry by entry: an agent leaves out an entry
 * that is refused, and a table written by hand is refused whole for it.
 */

import {
  formatAddress,
  type IpAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
} from '../ip/address.js'
import { formatMac, parseMac } from '../ip/mac.js'
import { formatPrefix, hasHostBits, networkOf, overlaps, type Prefix, parsePrefix } from '../ip/prefix.js'
import { PrefixMap } from '../ip/prefix-map.js'
import { NodesError } from './error.js'
import type { Node } from './model.js'

/** Why something of the table, or of the settings beside it, cannot be used. */
export interface Fault {
  /** JSON pointer: `/nodes/1/podCIDRs/0`. */
  readonly pointer: string
  /** Goes on after the pointer, and names both culprits where there are two. */
  readonly why: string
}

/** What is said of one entry: the node that it is, or why it cannot be used. */
export type Verdict = { readonly node: Node } | { readonly fault: Fault }

/** Least MTU an IPv4 host must take (RFC 791). */
const LEAST_MTU = 68

/**
 * One verdict an entry, in their order: its shape, and that it shares no name, address or pod CIDR with an entry before
 * it that is well. What depends on the machine is judged by `judgeFit`.
 */
export function judgeTable(entries: readonly unknown[]): Verdict[] {
  const shapes = entries.map((entry, at): Verdict => {
    const parsed = parseNode(entry, `/nodes/${at}`)
    return 'why' in parsed ? { fault: parsed } : { node: parsed }
  })
  const taken = new Taken(shapes)
  return shapes.map((verdict, at) => {
    const fault = 'node' in verdict ? taken.take(verdict.node, at) : undefined
    return fault === undefined ? verdict : { fault }
  })
}

/** The nodes of a table written by hand. Throws `invalid` for the first fault; `place` says whose pointer it is. */
export function parseTable(value: unknown, place = ''): Node[] {
  if (!Array.isArray(value))
    throw tableError(place, { pointer: '/nodes', why: `must be a list of nodes, got ${shown(value)}` })
  if (value.length === 0) throw tableError(place, { pointer: '/nodes', why: 'is empty' })
  return judgeTable(value).map((verdict) => {
    if ('fault' in verdict) throw tableError(place, verdict.fault)
    return verdict.node
  })
}

/** `place` is `in /etc/cni/flatnet/podnet.json`, or nothing for the configuration itself. */
export function tableError(place: string, { pointer, why }: Fault): NodesError {
  return new NodesError(
    'invalid',
    `invalid table of nodes${place === '' ? '' : ` ${place}`}: "${pointer}" ${why}`,
    'each node is {"name", "addresses": ["10.9.0.2"], "podCIDRs": ["10.244.2.0/24"]}, with "vtepMAC" and "mtu" where needed',
  )
}

function parseNode(value: unknown, pointer: string): Node | Fault {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { pointer, why: `must be an object, got ${shown(value)}` }
  }
  const entry = value as Record<string, unknown>
  const { name } = entry
  if (typeof name !== 'string' || name === '')
    return { pointer: `${pointer}/name`, why: `must be a text, got ${shown(name)}` }
  const addresses = parseList(entry['addresses'], `${pointer}/addresses`, 'an address', 1, parseNodeAddress)
  if ('why' in addresses) return addresses
  const misspelt = misspeltPodCIDRs(entry)
  if (misspelt !== undefined)
    return { pointer: `${pointer}/${misspelt}`, why: 'is no key of a node: is "podCIDRs" meant?' }
  // A node that has joined and is not assigned any yet: who writes the table may leave the key out.
  const podCIDRs = parseList(
    entry['podCIDRs'] ?? [],
    `${pointer}/podCIDRs`,
    'a CIDR without host bits',
    0,
    parsePodCIDR,
  )
  if ('why' in podCIDRs) return podCIDRs
  const vtepMAC = parseVtepMac(entry['vtepMAC'])
  if (vtepMAC === false) {
    return { pointer: `${pointer}/vtepMAC`, why: `must be a unicast hardware address, got ${shown(entry['vtepMAC'])}` }
  }
  const mtu = parseMtu(entry['mtu'])
  if (mtu === false) {
    return {
      pointer: `${pointer}/mtu`,
      why: `must be an integer from ${LEAST_MTU} to 65535, got ${shown(entry['mtu'])}`,
    }
  }
  return { name, addresses, podCIDRs, vtepMAC, mtu }
}

const KEYS = ['name', 'addresses', 'podCIDRs', 'vtepMAC', 'mtu']

/** Without pod CIDRs a node is left out, which must not be the work of a slip: a key that we do not know, then. */
function misspeltPodCIDRs(entry: Record<string, unknown>): string | undefined {
  return isAbsent(entry['podCIDRs']) ? Object.keys(entry).find((key) => !KEYS.includes(key)) : undefined
}

function parseList<T>(
  value: unknown,
  pointer: string,
  what: string,
  atLeast: number,
  parse: (text: string) => T | undefined,
): T[] | Fault {
  if (!Array.isArray(value) || value.length < atLeast) {
    return { pointer, why: `must be a list with ${what}, got ${shown(value)}` }
  }
  const parsed: T[] = []
  for (const [at, entry] of value.entries()) {
    const one = typeof entry === 'string' ? parse(entry) : undefined
    if (one === undefined) return { pointer: `${pointer}/${at}`, why: `must be ${what}, got ${shown(entry)}` }
    parsed.push(one)
  }
  return parsed
}

/** An address other nodes can send to. */
function parseNodeAddress(text: string): IpAddress | undefined {
  const address = parseAddress(text)
  if (address === undefined || isMulticast(address) || isUnspecified(address) || isLoopback(address)) return undefined
  return address.family === 6 && isLinkLocal(address) ? undefined : address
}

function parsePodCIDR(text: string): Prefix | undefined {
  const prefix = parsePrefix(text)
  return prefix === undefined || prefix.length === 0 || hasHostBits(prefix) ? undefined : prefix
}

function parseVtepMac(value: unknown): string | undefined | false {
  if (isAbsent(value)) return undefined
  const bytes = typeof value === 'string' ? parseMac(value) : undefined
  const unicast = bytes !== undefined && ((bytes[0] as number) & 1) === 0 && bytes.some((byte) => byte !== 0)
  return unicast ? formatMac(bytes) : false
}

function parseMtu(value: unknown): number | undefined | false {
  if (isAbsent(value)) return undefined
  return Number.isInteger(value) && (value as number) >= LEAST_MTU && (value as number) <= 65535
    ? (value as number)
    : false
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

interface Place {
  readonly node: Node
  /** Which entry, and which of its pod CIDRs. */
  readonly at: number
  readonly index: number
  readonly prefix: Prefix
}

/** Names, addresses and pod CIDRs of the entries so far: each belongs to one node. */
class Taken {
  readonly #names = new Map<string, number>()
  readonly #addresses = new Map<string, { readonly node: Node; readonly at: number }>()
  readonly #cidrs = new PrefixMap<Place>()
  /** A pod CIDR by the wider prefixes around it, of the lengths that the table has. */
  readonly #around = new PrefixMap<Place>()
  readonly #lengths: ReadonlySet<number>

  constructor(verdicts: readonly Verdict[]) {
    this.#lengths = new Set(
      verdicts.flatMap((verdict) => ('node' in verdict ? verdict.node.podCIDRs.map(({ length }) => length) : [])),
    )
  }

  /** Takes what the entry has; or says what of it is taken, and takes nothing. */
  take(node: Node, at: number): Fault | undefined {
    const fault = this.#refuseName(node, at) ?? this.#refuseAddress(node, at) ?? this.#refuseCIDR(node, at)
    if (fault !== undefined) return fault
    this.#names.set(node.name, at)
    for (const address of node.addresses) this.#addresses.set(formatAddress(address), { node, at })
    for (const [index, prefix] of node.podCIDRs.entries()) this.#takeCIDR({ node, at, index, prefix })
    return undefined
  }

  #refuseName({ name }: Node, at: number): Fault | undefined {
    const twin = this.#names.get(name)
    if (twin === undefined) return undefined
    return { pointer: `/nodes/${at}/name`, why: `is "${name}", which /nodes/${twin} is called already` }
  }

  #refuseAddress({ name, addresses }: Node, at: number): Fault | undefined {
    const own = new Set<string>()
    for (const [index, address] of addresses.entries()) {
      const text = formatAddress(address)
      const owner = this.#addresses.get(text) ?? (own.has(text) ? { node: { name }, at } : undefined)
      if (owner !== undefined) {
        const why = `of "${name}" is ${text}, which "${owner.node.name}" (/nodes/${owner.at}) has too`
        return { pointer: `/nodes/${at}/addresses/${index}`, why }
      }
      own.add(text)
    }
    return undefined
  }

  #refuseCIDR(node: Node, at: number): Fault | undefined {
    for (const [index, prefix] of node.podCIDRs.entries()) {
      const own = node.podCIDRs.findIndex((other, before) => before < index && overlaps(prefix, other))
      const other =
        own >= 0
          ? { node, at, index: own, prefix: node.podCIDRs[own] as Prefix }
          : (this.#cidrs.find(prefix.address, prefix.length)?.value ?? this.#around.get(prefix))
      if (other === undefined) continue
      const why = `overlaps another: ${describe({ node, at, index, prefix })} and ${describe(other)}`
      return { pointer: `/nodes/${at}/podCIDRs/${index}`, why }
    }
    return undefined
  }

  #takeCIDR(place: Place): void {
    const { prefix } = place
    this.#cidrs.set(prefix, place)
    for (const length of this.#lengths) {
      if (length < prefix.length) this.#around.set({ address: networkOf({ ...prefix, length }), length }, place)
    }
  }
}

function describe({ prefix, node, at, index }: Place): string {
  return `${formatPrefix(prefix)} of "${node.name}" (/nodes/${at}/podCIDRs/${index})`
}
