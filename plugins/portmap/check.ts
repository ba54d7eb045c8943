/** CHECK: every element of the attachment is in the ruleset, and leads where it led. */

import { hostSide } from '../../lib/attachment/previous.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { CheckRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { checkPorts } from '../../lib/ruleset/host-ports.js'
import { guardedLink } from '../../lib/ruleset/host-ports-table.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { wanted } from './add.js'
import { type PortmapConfig, settingsOf } from './config.js'

export function check(request: CheckRequest<PortmapConfig>): void {
  if ((request.config.runtimeConfig?.portMappings ?? []).length === 0) return
  const settings = settingsOf(request.config)
  const host = openHost()
  const { exposed } = wanted(request, host, request.prevResult, settings, hostSide(host, request.prevResult).end?.name)
  if (exposed.families.length === 0) return // as in ADD: no address has the family of a hostIP
  const differences = withRuleset((nft) => checkPorts(nft, exposed))
  const link = guardedLink(exposed)
  if (link !== undefined && !host.links.routesLocalnet(link)) {
    differences.push(`route_localnet of ${link} is 0, so 127.0.0.1 does not lead to the container`)
  }
  if (differences.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `host ports of ${request.containerId} are not as ADD left them: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    `${differences.join('; ')}. The next ADD on this host repairs a table that was flushed`,
  )
}
