/** What IPAM will lease from, as far as the configuration says it: for STATUS, which has no address yet. */

import { hasHostBits, networkOf, type Prefix, parsePrefix } from '../ip/prefix.js'

/** Those of `host-local` and `static`; empty for other IPAM plugins. What is malformed is theirs to refuse. */
export function leasedFrom(ipam: unknown): Prefix[] {
  const { type, subnet, ranges, addresses } = objectOf(ipam)
  if (type === 'static') return prefixesOf(listOf(addresses).map((entry) => objectOf(entry)['address']))
  if (type !== 'host-local') return []
  const sets = listOf(ranges).flatMap(listOf)
  return prefixesOf([subnet, ...sets.map((range) => objectOf(range)['subnet'])])
}

function prefixesOf(texts: readonly unknown[]): Prefix[] {
  return texts
    .map((text) => (typeof text === 'string' ? parsePrefix(text) : undefined))
    .filter((prefix) => prefix !== undefined)
    .map(subnetOf)
}

/** The network that an address is in. */
export function subnetOf(prefix: Prefix): Prefix {
  return hasHostBits(prefix) ? { address: networkOf(prefix), length: prefix.length } : prefix
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
