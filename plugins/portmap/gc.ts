/** GC: what no valid attachment accounts for is unmapped: records first, then elements that lost theirs. */

import { collectFailures } from '../../lib/attachment/failures.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { type GcRequest, keeps } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { stalePorts, unguardGone } from '../../lib/ruleset/host-ports.js'
import { withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { attachmentKey, claim, listRecords } from '../../lib/store/record.js'
import { unlink } from '../../lib/sys/file.js'
import type { PortmapConfig } from './config.js'
import { PLUGIN, placeOf, type Recorded, restore } from './record.js'
import { guardedTableGoes, withdraw } from './withdraw.js'

export function gc(request: GcRequest<PortmapConfig>): void {
  const { config, network, valid } = request
  if (valid === undefined) return
  const keep = keeps(valid)
  const keys = new Set(valid.map(({ containerId, ifName }) => attachmentKey(network, containerId, ifName)))
  const failures = collectFailures()
  withRulesetIfAny((nft) => {
    const host = openHost()
    for (const listed of listRecords<Recorded>(stateDirOf(config), PLUGIN, network)) {
      if (keys.has(listed.key) || (listed.state !== 'damaged' && keep(listed))) continue
      failures.attempt(`cannot unmap ${listed.containerId}/${listed.ifName}`, () => {
        if (listed.state === 'damaged') {
          unexposePorts(nft, listed.key, undefined, () => guardedTableGoes(nft))
          unlink(listed.path)
          return
        }
        const record = claim<Recorded>(placeOf(request, listed))
        try {
          // An ADD that was running when we looked and has finished since is news, not stale.
          const isNews = listed.state === 'adding' && record?.earlier?.state === 'ready'
          if (record?.earlier !== undefined && !isNews) {
            record.write('adding', record.earlier.content) // as DEL does
            withdraw(nft, host, restore({ network, ...listed }, record.earlier.content).exposed)
            record.remove()
          } else record?.release()
        } catch (error) {
          record?.release()
          throw error
        }
      })
    }
    failures.attempt('cannot look for mappings without a record', () => {
      const recorded = new Set(listRecords(stateDirOf(config), PLUGIN, network).map(({ key }) => key))
      for (const key of stalePorts(nft, network, keys)) {
        if (!recorded.has(key)) unexposePorts(nft, key, undefined, () => guardedTableGoes(nft))
      }
    })
    failures.attempt('cannot look for guards of links that are gone', () =>
      unguardGone(nft, (name) => host.links.find(name) !== undefined),
    )
  })
  failures.report()
}
