/** STATUS: fails only for what would make the next ADD fail. */

import { requireStateDir } from '../../lib/attachment/state-dir.js'
import { findDelegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { requireRanges } from '../../lib/nodes/cni/ranges.js'
import { requireForwardable } from '../../lib/sysctl/forwarding.js'
import { type BridgeConfig, settingsOf, stateDirOf } from './config.js'
import { requireRules } from './ruleset.js'

/** BR_MAX_PORTS less the number 0, net/bridge/br_private.h. */
const PORTS = 1023

export function status(request: StatusRequest<BridgeConfig>): void {
  const settings = settingsOf(request)
  const { bridge: name, ipam } = settings
  const host = openHost()
  const bridge = host.links.find(name)
  if (bridge !== undefined && bridge.kind !== 'bridge') {
    throw notAvailable(
      `"${name}" already exists but is not a bridge`,
      `it is of kind ${bridge.kind ?? 'hardware'}; set "bridge" to another name`,
    )
  }
  if (bridge !== undefined && host.links.list({ master: bridge.index }).length >= PORTS) {
    throw notAvailable(`bridge "${name}" is full`, `it has ${PORTS} of ${PORTS} ports, the limit of the kernel`)
  }
  if (settings.isGateway) requireForwardable(host)
  requireStateDir(stateDirOf(request.config))
  requireRules(settings)
  requireRanges(host, stateDirOf(request.config), request.network, request.config.ipam)
  if (ipam !== undefined) findDelegate(ipam, request).run('STATUS')
}

function notAvailable(message: string, details: string): CniError {
  return new CniError(ErrorCode.NotAvailable, message, details)
}
