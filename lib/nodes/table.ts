/**
 * The table of nodes: who has which addresses and which pod CIDRs. It comes as JSON from a file or a
 * configuration and is checked whole before anything is done with it.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import {
  type Family,
  formatAddress,
  type IpAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
} from '../ip/address.js'
import { formatMac, parseMac } from '../ip/mac.js'
import { containsAddress, formatPrefix, hasHostBits, networkOf, type Prefix, parsePrefix } from '../ip/prefix.js'

export interface Node {
  readonly name: string
  /** Its own addresses, in order of preference. */
  readonly addresses: readonly IpAddress[]
  /** What its pods' addresses are taken from; no host bits. */
  readonly podCIDRs: readonly Prefix[]
  /** Hardware address of its tunnel endpoint; derived where absent. */
  readonly vtepMAC: string | undefined
  /** What its pods can receive, where that is less than elsewhere. */
  readonly mtu: number | undefined
}

/** Least MTU an IPv4 host must take (RFC 791). */
const LEAST_MTU = 68

/** The pod CIDRs of one family. */
export function podCIDRsOf(node: Node, family: Family): readonly Prefix[] {
  return node.podCIDRs.filter(({ address }) => address.family === family)
}

/**
 * The table in `value`, a list of nodes. Throws code 7 with the JSON pointer to the first fault; `place` says whose
 * pointer it is (`in /etc/cni/flatnet/podnet.json`, or nothing for the configuration itself).
 */
export function parseTable(value: unknown, place = ''): Node[] {
  const wrong = (pointer: string, why: string) => tableError(place, pointer, why)
  if (!Array.isArray(value)) throw wrong('/nodes', `must be a list of nodes, got ${shown(value)}`)
  if (value.length === 0) throw wrong('/nodes', 'is empty')
  const nodes = value.map((entry: unknown, at) => parseNode(entry, `/nodes/${at}`, wrong))
  refuseTwins(nodes, wrong)
  refuseOverlaps(nodes, wrong)
  return nodes
}

type Wrong = (pointer: string, why: string) => CniError

export function tableError(place: string, pointer: string, why: string): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `invalid table of nodes${place === '' ? '' : ` ${place}`}: "${pointer}" ${why}`,
    'each node is {"name", "addresses": ["10.9.0.2"], "podCIDRs": ["10.244.2.0/24"]}, with "vtepMAC" and "mtu" where needed',
  )
}

function parseNode(value: unknown, pointer: string, wrong: Wrong): Node {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(pointer, `must be an object, got ${shown(value)}`)
  }
  const { name, addresses, podCIDRs, vtepMAC, mtu } = value as Record<string, unknown>
  if (typeof name !== 'string' || name === '') throw wrong(`${pointer}/name`, `must be a text, got ${shown(name)}`)
  return {
    name,
    addresses: parseList(addresses, `${pointer}/addresses`, 'an address', wrong, parseNodeAddress),
    podCIDRs: parseList(podCIDRs, `${pointer}/podCIDRs`, 'a CIDR without host bits', wrong, parsePodCIDR),
    vtepMAC: isAbsent(vtepMAC) ? undefined : parseVtepMac(vtepMAC, `${pointer}/vtepMAC`, wrong),
    mtu: isAbsent(mtu) ? undefined : parseMtu(mtu, `${pointer}/mtu`, wrong),
  }
}

function parseList<T>(
  value: unknown,
  pointer: string,
  what: string,
  wrong: Wrong,
  parse: (text: string) => T | undefined,
) {
  if (!Array.isArray(value) || value.length === 0)
    throw wrong(pointer, `must be a list with ${what}, got ${shown(value)}`)
  return value.map((entry: unknown, at): T => {
    const parsed = typeof entry === 'string' ? parse(entry) : undefined
    if (parsed === undefined) throw wrong(`${pointer}/${at}`, `must be ${what}, got ${shown(entry)}`)
    return parsed
  })
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

function parseVtepMac(value: unknown, pointer: string, wrong: Wrong): string {
  const bytes = typeof value === 'string' ? parseMac(value) : undefined
  const unicast = bytes !== undefined && ((bytes[0] as number) & 1) === 0 && bytes.some((byte) => byte !== 0)
  if (!unicast) throw wrong(pointer, `must be a unicast hardware address, got ${shown(value)}`)
  return formatMac(bytes)
}

function parseMtu(value: unknown, pointer: string, wrong: Wrong): number {
  if (Number.isInteger(value) && (value as number) >= LEAST_MTU && (value as number) <= 65535) return value as number
  throw wrong(pointer, `must be an integer from ${LEAST_MTU} to 65535, got ${shown(value)}`)
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** Names and addresses belong to one node each. */
function refuseTwins(nodes: readonly Node[], wrong: Wrong): void {
  const names = new Map<string, number>()
  const owners = new Map<string, number>()
  for (const [at, { name, addresses }] of nodes.entries()) {
    const twin = names.get(name)
    if (twin !== undefined) throw wrong(`/nodes/${at}/name`, `is "${name}", which /nodes/${twin} is called already`)
    names.set(name, at)
    for (const [place, address] of addresses.entries()) {
      const text = formatAddress(address)
      const owner = owners.get(text)
      if (owner !== undefined) {
        throw wrong(
          `/nodes/${at}/addresses/${place}`,
          `of "${name}" is ${text}, which "${nodes[owner]?.name}" (/nodes/${owner}) has too`,
        )
      }
      owners.set(text, at)
    }
  }
}

interface Placed {
  readonly key: string
  readonly prefix: Prefix
  readonly node: number
  readonly at: number
}

/** No address belongs to two pod CIDRs. In the order of their addresses, an overlap is between neighbours. */
function refuseOverlaps(nodes: readonly Node[], wrong: Wrong): void {
  const placed = new Map<string, Placed>()
  const describe = ({ node, at, prefix }: Placed) =>
    `${formatPrefix(prefix)} of "${nodes[node]?.name}" (/nodes/${node}/podCIDRs/${at})`
  const clash = (one: Placed, other: Placed) => {
    const [first, second] = one.node * 4096 + one.at < other.node * 4096 + other.at ? [one, other] : [other, one]
    return wrong(
      `/nodes/${second.node}/podCIDRs/${second.at}`,
      `overlaps another: ${describe(second)} and ${describe(first)}`,
    )
  }
  for (const [node, { podCIDRs }] of nodes.entries()) {
    for (const [at, prefix] of podCIDRs.entries()) {
      const entry = { key: sortKey(prefix), prefix, node, at }
      const twin = placed.get(entry.key)
      if (twin !== undefined) throw clash(twin, entry)
      placed.set(entry.key, entry)
    }
  }
  let outer: Placed | undefined
  for (const key of [...placed.keys()].sort()) {
    const entry = placed.get(key) as Placed
    if (outer !== undefined && containsAddress(outer.prefix, entry.prefix.address)) throw clash(outer, entry)
    outer = entry
  }
}

/** Text that sorts as the prefixes do: family, address, then the wider first. */
function sortKey({ address, length }: Prefix): string {
  let key = address.family === 4 ? '4' : '6'
  for (const byte of address.bytes) key += String.fromCharCode(byte + 32)
  return key + String.fromCharCode(length + 32)
}

/** The first address of a node's first pod CIDR of a family: its tunnel endpoint's. */
export function endpointOf(node: Node, family: Family): IpAddress | undefined {
  const first = node.podCIDRs.find(({ address }) => address.family === family)
  return first === undefined ? undefined : networkOf(first)
}
