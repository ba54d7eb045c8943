/**
 * What a chained plugin does about its pod: others must have a way to its addresses, and it must not send what the way to
 * them cannot take.
 */

import { CniError, ErrorCode } from '../../cni/error.js'
import type { Interface, Result } from '../../cni/result.js'
import { containsAddress, type Prefix, parsePrefix } from '../../ip/prefix.js'
import type { Link } from '../../netlink/links/link.js'
import { type Netlink, openNetlink } from '../../netlink/netlink.js'
import { inContainer, isSameNamespace, openContainer } from '../../netns/namespace.js'
import type { Mode } from '../model.js'
import type { Stamp } from '../stamp.js'

/** For ADD: what the plugin before answered. Throws code 7 where there is none. */
export function requirePrevious(mode: Mode, prevResult: Result | undefined): Result {
  if (prevResult !== undefined) return prevResult
  throw new CniError(
    ErrorCode.InvalidConfig,
    `${mode} must be chained after a plugin that makes the interface: there is no prevResult`,
    `"plugins": [{ "type": "bridge", … }, { "type": "${mode}", … }]`,
  )
}

/**
 * The pod's addresses that are in none of this node's pod CIDRs, to which other nodes have no route, in words. ADD warns
 * of them and CHECK fails: the pod works on its own node, and its addresses may have been asked for.
 */
export function unreachableAddresses(
  result: Result,
  netns: string,
  { node, podCIDRs }: Pick<Stamp, 'node' | 'podCIDRs'>,
): string[] {
  const outside = outsideOf(result, netns, podCIDRs)
  if (outside.length === 0) return []
  const verb = outside.length === 1 ? 'is' : 'are'
  const where = `${outside.join(', ')} ${verb} in no pod CIDR of "${node}" (${podCIDRs.join(', ')})`
  return [
    `other nodes have no route to this pod: ${where}; give "ipam" a range inside one, or correct the table of nodes`,
  ]
}

function outsideOf({ ips = [], interfaces = [] }: Result, netns: string, podCIDRs: readonly string[]): string[] {
  const cidrs = podCIDRs.map((text) => parsePrefix(text)).filter((cidr): cidr is Prefix => cidr !== undefined)
  return ips.flatMap(({ address: text, interface: at }) => {
    const address = parsePrefix(text)?.address
    const isElsewhere =
      at !== undefined && interfaces[at] !== undefined && !isSameNamespace(interfaces[at].sandbox ?? '', netns)
    if (address === undefined || isElsewhere || cidrs.some((cidr) => containsAddress(cidr, address))) return []
    return [text.slice(0, text.indexOf('/'))]
  })
}

/** Lowers the interfaces of `result` that are in the container, and their peers here; the result with their MTU. */
export function limitMtu(result: Result, netns: string, host: Netlink, mtu: number): Result {
  // What the result says is what the plugin before has made; only what it leaves out is looked up.
  const inside = insideOf(result, netns).filter((entry) => entry.mtu === undefined || entry.mtu > mtu)
  if (inside.length === 0) return result
  const container = inContainer(openContainer(netns), openNetlink)
  const lowered = new Set<string>()
  for (const { name, sandbox = '' } of inside) {
    const link = container.links.find(name)
    if (link === undefined || link.mtu <= mtu) continue
    // The container's end last: while that is too large, a call after one that was killed does it all.
    const peer = peerOf(link, result, host)
    if (peer !== undefined && peer.mtu > mtu) {
      host.links.change(peer.index, { mtu })
      lowered.add(` ${peer.name}`)
    }
    container.links.change(link.index, { mtu })
    lowered.add(`${sandbox} ${name}`)
  }
  if (lowered.size === 0) return result
  const named = (entry: Interface) => (lowered.has(`${entry.sandbox ?? ''} ${entry.name}`) ? { ...entry, mtu } : entry)
  return { ...result, interfaces: (result.interfaces ?? []).map(named) }
}

/** For CHECK: what is larger than it may be, in words. */
export function largerInterfaces(result: Result, netns: string, mtu: number): string[] {
  const inside = insideOf(result, netns)
  if (inside.length === 0) return []
  const container = inContainer(openContainer(netns), openNetlink)
  return inside
    .map(({ name }) => container.links.find(name))
    .filter((link) => link !== undefined && link.mtu > mtu)
    .map(
      (link) =>
        `${link?.name} of the container has mtu ${link?.mtu}, more than the ${mtu} that the way to other nodes takes`,
    )
}

function insideOf({ interfaces = [] }: Result, netns: string): Interface[] {
  return interfaces.filter(({ sandbox = '' }) => isSameNamespace(sandbox, netns))
}

/** The host's end of a veth, where the previous result names it: an index alone might count in another namespace. */
function peerOf(link: Link, { interfaces = [] }: Result, host: Netlink): Link | undefined {
  if (link.kind !== 'veth' || link.peerIndex === undefined) return undefined
  const peer = host.links.find(link.peerIndex)
  const named = interfaces.some(({ name, sandbox }) => (sandbox ?? '') === '' && name === peer?.name)
  return named && peer?.kind === 'veth' ? peer : undefined
}
