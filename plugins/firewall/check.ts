/** CHECK: nothing that drops forwarded packets has lost the rules that admit the container. */

import { containerAddresses, hostSide } from '../../lib/attachment/previous.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { CheckRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { openHost } from '../../lib/netns/namespace.js'
import { checkAdmission } from '../../lib/ruleset/admission.js'
import { checkPolicy } from '../../lib/ruleset/ingress-policy.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { policedLink } from './add.js'
import { type FirewallConfig, settingsOf } from './config.js'
import { hasSource, isRunning } from './firewalld.js'

function policed(prevResult: Result): string {
  return policedLink(prevResult, hostSide(openHost(), prevResult))
}

export function check({ config, network, containerId, ifName, prevResult }: CheckRequest<FirewallConfig>): void {
  const { backend, zone, policy } = settingsOf(config)
  const addresses = containerAddresses(prevResult, ifName)
  const owner = { network, containerId, ifName }
  const byFirewalld = backend === 'firewalld' || (backend === 'auto' && isRunning())
  const differences = withRuleset((nft) => [
    ...(byFirewalld ? hasSource(zone, addresses) : checkAdmission(nft, owner, addresses)),
    ...(policy === undefined ? [] : checkPolicy(nft, { owner, addresses, bridge: policed(prevResult), policy })),
  ])
  if (differences.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `admission of ${containerId} is not as ADD left it: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    differences.join('; '),
  )
}
