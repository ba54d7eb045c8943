/**
 * The ranges that a network's IPAM plugin takes addresses from, against this node's pod CIDRs: other nodes have no route
 * to an address outside them.
 */

import { CniError, ErrorCode } from '../../cni/error.js'
import { type IpAddress, parseAddress } from '../../ip/address.js'
import {
  containsAddress,
  formatPrefix,
  lastOf,
  networkOf,
  overlaps,
  type Prefix,
  parsePrefix,
} from '../../ip/prefix.js'
import type { Netlink } from '../../netlink/netlink.js'
import { cookieOf } from '../../netns/namespace.js'
import { warn } from '../../sys/log.js'
import { isUnchanged } from '../source.js'
import { hereIs, readStamp, type Stamp, stateDirectory } from '../stamp.js'

/** A range as host-local has it: all of a subnet, or a part. */
export interface Range {
  readonly subnet: Prefix
  readonly first: IpAddress
  readonly last: IpAddress
}

/** The ranges in an IPAM configuration, by host-local's keys; what cannot be read is left to that plugin. */
export function rangesOf(ipam: unknown): Range[] {
  const { ranges, subnet, rangeStart, rangeEnd } = (ipam ?? {}) as Record<string, unknown>
  const sets = Array.isArray(ranges) ? ranges.flat() : []
  return [...sets, { subnet, rangeStart, rangeEnd }].flatMap((entry) => readRange(entry) ?? [])
}

function readRange(entry: unknown): Range | undefined {
  const { subnet: text, rangeStart, rangeEnd } = (entry ?? {}) as Record<string, unknown>
  const subnet = typeof text === 'string' ? parsePrefix(text) : undefined
  if (subnet === undefined) return undefined
  const address = (bound: unknown) => (typeof bound === 'string' ? parseAddress(bound) : undefined)
  return { subnet, first: address(rangeStart) ?? networkOf(subnet), last: address(rangeEnd) ?? lastOf(subnet) }
}

export interface RangeTrouble {
  readonly reason: string
  /** No range has an address in a pod CIDR: other nodes reach no pod of this one. */
  readonly forAll: boolean
}

/** What is wrong with the ranges of the node whose pod CIDRs these are; undefined where they lie inside. */
export function judgeRanges(
  ranges: readonly Range[],
  { node, podCIDRs }: Pick<Stamp, 'node' | 'podCIDRs'>,
): RangeTrouble | undefined {
  const cidrs = podCIDRs.map((text) => parsePrefix(text)).filter((cidr): cidr is Prefix => cidr !== undefined)
  const outside = ranges.filter(
    ({ first, last }) => !cidrs.some((cidr) => containsAddress(cidr, first) && containsAddress(cidr, last)),
  )
  if (outside.length === 0) return undefined
  const names = outside.map(({ subnet }) => formatPrefix(subnet)).join(', ')
  const are = outside.length === 1 ? 'the range is' : 'the ranges are'
  return {
    reason: `other nodes have no route to pods of ${names}: ${are} not inside a pod CIDR of "${node}" (${podCIDRs.join(', ')})`,
    forAll: ranges.every(({ subnet }) => !cidrs.some((cidr) => overlaps(cidr, subnet))),
  }
}

/**
 * For STATUS of the plugin that has the IPAM configuration: throws code 50 where no range can serve this node, and warns
 * of one that cannot. Known only where host-gw or vxlan has applied a table. Of one in the configuration it is not known
 * whether it is the same still, so that it only warns: a stale answer would take a node away that works.
 */
export function requireRanges(host: Netlink, stateDir: string, network: string, ipam: unknown): void {
  const ranges = rangesOf(ipam)
  if (ranges.length === 0) return
  const here = hereIs(cookieOf(host))
  for (const mode of ['vxlan', 'host-gw'] as const) {
    const stamp = readStamp(stateDirectory({ stateDir, network, mode }), here)
    if (stamp === undefined) continue
    const isInline = stamp.file === ''
    if (!isInline && !isUnchanged({ file: stamp.file }, stamp.table)) continue
    const trouble = judgeRanges(ranges, stamp)
    if (trouble === undefined) return
    if (!trouble.forAll || isInline) {
      warn(trouble.reason)
      return
    }
    throw new CniError(
      ErrorCode.NotAvailable,
      trouble.reason,
      `correct the range of "ipam", or "podCIDRs" in ${stamp.file}; then: flatnet sync CONFLIST`,
    )
  }
}
