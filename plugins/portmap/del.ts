/** DEL: what our record says was mapped is unmapped, whatever the configuration says now. */

import type { DelRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { unexposePorts } from '../../lib/ruleset/host-ports.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { attachmentKey, claim } from '../../lib/store/record.js'
import type { PortmapConfig } from './config.js'
import { placeOf, type Recorded, restore } from './record.js'
import { withdraw } from './withdraw.js'

export function del(request: DelRequest<PortmapConfig>): void {
  const { config, network, containerId, ifName } = request
  const record = claim<Recorded>(placeOf(request, request))
  const earlier = record?.earlier
  if (earlier === undefined && (config.runtimeConfig?.portMappings ?? []).length === 0) {
    record?.remove()
    return
  }
  try {
    withRuleset((nft) => {
      // Of an earlier boot nothing is left in the kernel, but a namespace can be younger than its records too.
      if (earlier !== undefined) withdraw(nft, openHost(), restore(request, earlier.content).exposed)
      else unexposePorts(nft, attachmentKey(network, containerId, ifName))
    })
  } catch (error) {
    record?.release()
    throw error
  }
  record?.remove()
}
