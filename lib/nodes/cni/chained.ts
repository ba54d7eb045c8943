/** ADD and CHECK of host-gw and vxlan: the node, then the pod. */

import type { AddRequest, CheckRequest } from '../../cni/request.js'
import type { Result } from '../../cni/result.js'
import type { Netlink } from '../../netlink/netlink.js'
import { warn } from '../../sys/log.js'
import type { Mode } from '../model.js'
import { ensureNodes, requireAsConfigured } from './commands.js'
import type { NodesConfig } from './config.js'
import { largerInterfaces, limitMtu, requirePrevious, unreachableAddresses } from './pod.js'

/** The result of the plugin before, with the MTU that was lowered. */
export function addToNode(host: Netlink, mode: Mode, request: AddRequest<NodesConfig>): Result {
  const { prevResult, netns } = request
  const previous = requirePrevious(mode, prevResult)
  const stamp = ensureNodes(host, mode, request)
  for (const line of unreachableAddresses(previous, netns, stamp)) warn(line)
  return stamp.podMtu === undefined ? previous : limitMtu(previous, netns, host, stamp.podMtu)
}

export function checkOnNode(
  host: Netlink,
  mode: Mode,
  { network, config, netns, prevResult }: CheckRequest<NodesConfig>,
): void {
  requireAsConfigured(host, mode, network, config, (node) => [
    ...unreachableAddresses(prevResult, netns, node),
    ...(node.podMtu === undefined ? [] : largerInterfaces(prevResult, netns, node.podMtu)),
  ])
}
