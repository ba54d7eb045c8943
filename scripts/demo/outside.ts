/** What is no part of the network: a machine on the node's own segment, which knows no pod. */

import type { Netns } from '../../lib/testing/netns.js'
import type { Host } from './host.js'
import type { Stage } from './stage.js'

/** The node's address there, and the other machine's. */
export const NODE = '192.0.2.1'
export const OUTSIDE = '192.0.2.7'

export function connectOutside(stage: Stage, { netns }: Host): Netns {
  const outside = stage.netns('outside')
  netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.path)
  netns.batch(`addr add ${NODE}/24 dev eth0`, 'link set eth0 up')
  outside.batch(`addr add ${OUTSIDE}/24 dev eth0`, 'link set eth0 up')
  return outside
}
