/** The hardware address of a node's tunnel endpoint: computed, so that nodes need not tell each other. */

import { macOfAddress } from '../ip/mac.js'
import { endpointOf, type Node } from './table.js'

/** SHA-256 of bytes, in hex. */
export type Digest = (bytes: Uint8Array) => string

/**
 * What the table says; else `0a:58` and the four bytes of the IPv4 endpoint; on a node with IPv6 pods only, the first
 * four bytes of the SHA-256 of the endpoint's sixteen.
 */
export function vtepMac(node: Node, digest: Digest): string {
  if (node.vtepMAC !== undefined) return node.vtepMAC
  const ipv4 = endpointOf(node, 4)
  if (ipv4 !== undefined) return macOfAddress(ipv4.bytes)
  const ipv6 = endpointOf(node, 6)
  const hash = ipv6 === undefined ? '00000000' : digest(ipv6.bytes)
  return `0a:58:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}:${hash.slice(6, 8)}`
}
