/** STATUS: says before a pod fails what the kernel lacks. */

import type { StatusRequest } from '../../lib/cni/request.js'
import { HOST_PORTS } from '../../lib/ruleset/host-ports-table.js'
import { requireTables } from '../../lib/ruleset/settle.js'
import { type PortmapConfig, settingsOf, warnOfMissingCapability } from './config.js'

export function status({ config }: StatusRequest<PortmapConfig>): void {
  settingsOf(config)
  warnOfMissingCapability(config)
  requireTables([HOST_PORTS])
}
