/** STATUS: says before a pod fails what the kernel lacks. */

import { requireStateDir, stateDirOf } from '../../lib/attachment/state-dir.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { HOST_PORTS } from '../../lib/ruleset/host-ports-table.js'
import { requireTables } from '../../lib/ruleset/settle.js'
import { type PortmapConfig, settingsOf } from './config.js'

export function status({ config }: StatusRequest<PortmapConfig>): void {
  settingsOf(config)
  requireStateDir(stateDirOf(config))
  requireTables([HOST_PORTS])
}
