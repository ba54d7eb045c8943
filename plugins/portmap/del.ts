/** DEL: what our record says was mapped is unmapped, whatever the configuration says now. */

import type { DelRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { removeReferencePorts } from '../../lib/ruleset/reference-portmap.js'
import { withRuleset, withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { attachmentKey, claim } from '../../lib/store/record.js'
import { sha512Hex } from '../../lib/sys/text.js'
import type { PortmapConfig } from './config.js'
import { placeOf, type Recorded, restore } from './record.js'
import { guardedTableGoes, withdraw } from './withdraw.js'

export function del(request: DelRequest<PortmapConfig>): void {
  const { config } = request
  const record = claim<Recorded>(placeOf(request, request))
  const earlier = record?.earlier
  if (earlier === undefined && (config.runtimeConfig?.portMappings ?? []).length === 0) {
    record?.remove()
    return
  }
  try {
    // Of an earlier boot nothing is left in the kernel, but a namespace can be younger than its records too.
    if (earlier !== undefined) {
      // Whoever makes the table anew must not take us for one that stays.
      record?.write('adding', earlier.content)
      withRuleset((nft) => withdraw(nft, openHost(), restore(request, earlier.content).exposed))
    } else removeUnrecorded(request)
  } catch (error) {
    record?.release()
    throw error
  }
  record?.remove()
}

/** The reference's, or ours whose record is lost. */
function removeUnrecorded({ network, containerId, ifName }: DelRequest<PortmapConfig>): void {
  withRulesetIfAny((nft) => {
    unexposePorts(nft, attachmentKey(network, containerId, ifName), undefined, () => guardedTableGoes(nft))
    removeReferencePorts(nft, { network, containerId })
  })
  nameLegacyLeftovers('nat', `CNI-DN-${sha512Hex(network + containerId).slice(0, 21)}`)
}
