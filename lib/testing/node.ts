/** A node with pods on a bridge and somebody outside, for tests that look at packets. */

import type { Test } from 'tap'
import { Attachment, type Json } from './cni.js'
import { Netns } from './netns.js'
import { network } from './pod-network.js'

export const NODE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const
export const OUTSIDE = { 4: '192.0.2.9', 6: '2001:db8::9' } as const

export interface Node {
  readonly host: Netns
  readonly outside: Netns
  /** A pod with the network's list and more plugins behind it. */
  pod(containerId: string, chained?: readonly Json[], options?: PodOptions): { netns: Netns; attachment: Attachment }
  /** nft's view of the node, `''` where there is nothing. */
  ruleset(): string
}

export interface PodOptions {
  readonly capabilities?: Json
  readonly list?: Json
  readonly bin?: string
  readonly ifName?: string
}

/**
 * The node has 192.0.2.1 and 2001:db8::1 on its uplink; outside knows no way back to the pods. As long as a link-local
 * address is tentative, its link forwards no IPv6: so neither looks for duplicates.
 */
export function node(t: Test, { config = {} }: { config?: Json } = {}): Node & { readonly list: Json } {
  const host = Netns.create(t, 'node', { duplicates: false })
  const outside = Netns.create(t, 'outside', { duplicates: false })
  host.batch(
    `link add up0 type veth peer name eth0 netns ${outside.name}`,
    'addr add 192.0.2.1/24 dev up0',
    'addr add 2001:db8::1/64 dev up0 nodad',
    'link set up0 up',
  )
  outside.batch('addr add 192.0.2.9/24 dev eth0', 'addr add 2001:db8::9/64 dev eth0 nodad', 'link set eth0 up')
  host.batch('route add default via 192.0.2.9', 'route add ::/0 via 2001:db8::9')
  const bridge = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'], config })
  return {
    host,
    outside,
    list: bridge,
    pod(containerId, chained = [], { list, ...options } = {}) {
      const netns = Netns.create(t, containerId, { loopback: false })
      const { cniVersion, name, ...first } = bridge
      const stateDir: string = bridge.stateDir
      const whole = list ?? { cniVersion, name, plugins: [first, ...chained.map((one) => ({ stateDir, ...one }))] }
      const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=test;K8S_POD_NAME=${containerId}`
      return { netns, attachment: new Attachment(host, whole, netns, { containerId, args, ...options }) }
    },
    ruleset: () => host.run('nft', 'list', 'ruleset'),
  }
}
