/**
 * vxlan: the other nodes' pods through a VXLAN, and by plain routes where `directRouting` says so and a segment is
 * shared. Chained after a plugin that makes the pod's interface, whose MTU it lowers to what the tunnel takes.
 */

import { definePlugin } from '../../lib/cni/plugin.js'
import type { AddRequest, CheckRequest, GcRequest, StatusRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { openHost } from '../../lib/netns/namespace.js'
import { addToNode, checkOnNode } from '../../lib/nodes/cni/chained.js'
import { collectNodes, requireReady, syncNodes } from '../../lib/nodes/cni/commands.js'
import type { NodesConfig } from '../../lib/nodes/cni/config.js'
import { schema } from './config.generated.js'

const MODE = 'vxlan'

export const { main } = definePlugin<NodesConfig>({ name: MODE, schema, add, check, del, gc, status })

/** For `flatnet sync`: the node without a pod, and how to read its configuration. */
export { schema }
export const sync = syncNodes

function add(request: AddRequest<NodesConfig>): Result {
  return addToNode(openHost(), MODE, request)
}

function check(request: CheckRequest<NodesConfig>): void {
  checkOnNode(openHost(), MODE, request)
}

/** What the node has belongs to all its pods. */
function del(): void {}

function gc({ network, config, valid }: GcRequest<NodesConfig>): void {
  if (valid !== undefined) collectNodes(openHost(), MODE, network, config)
}

function status({ network, config }: StatusRequest<NodesConfig>): void {
  requireReady(openHost(), MODE, network, config)
}
