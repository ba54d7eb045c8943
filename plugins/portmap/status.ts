/** STATUS: says before a pod fails what the kernel lacks. */

import { requireStateDir, stateDirOf } from '../../lib/attachment/state-dir.js'
import { CniError, ErrorCode, isCniError } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { HOST_PORTS } from '../../lib/ruleset/host-ports-table.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { requireSupport } from '../../lib/ruleset/skeleton.js'
import { type PortmapConfig, settingsOf } from './config.js'

export function status({ config }: StatusRequest<PortmapConfig>): void {
  settingsOf(config)
  requireStateDir(stateDirOf(config))
  try {
    withRuleset((nft) => requireSupport(nft, HOST_PORTS))
  } catch (error) {
    if (isCniError(error)) throw new CniError(ErrorCode.NotAvailable, error.message, error.details)
    throw error
  }
}
