/** Maps the ports, in one transaction for all of them, and opens the ways to them. */

import type { Attachment, Progress } from '../../lib/attachment/chained.js'
import { recall } from '../../lib/attachment/recall.js'
import { exposePorts } from '../../lib/ruleset/host-ports.js'
import { guardedLink } from '../../lib/ruleset/host-ports-table.js'
import { ownerKey } from '../../lib/ruleset/owner.js'
import { refuseReferenceHolders } from '../../lib/ruleset/reference-portmap.js'
import { unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { forgetConnections } from './connections.js'
import { allowHairpin } from './hairpin.js'
import { warnOfListeners } from './listeners.js'
import { needsGuard, openLocalnet } from './localnet.js'
import { type Recorded, recordOf, restoreAll } from './record.js'
import type { Tools } from './tools.js'
import type { Wanted } from './wanted.js'
import { ending } from './withdraw.js'

export function apply(
  tools: Tools,
  { stateDir }: Attachment,
  { exposed, conditions, link }: Wanted,
  progress: Progress<Recorded>,
): undefined {
  const { nft, host } = tools
  const hasReference = refuseReferenceHolders(nft, exposed)
  const towards = guardedLink(exposed)
  const guard = towards !== undefined && needsGuard(host, nft, towards) ? towards : undefined
  const recorded = recall(() => restoreAll(stateDir).map((one) => ({ ...one, owner: one.exposed.owner })))
  const mapped = exposePorts(nft, exposed, {
    conditions,
    guard,
    linkExists: (name) => host.links.find(name) !== undefined,
    others() {
      const others = recorded.others()
      return {
        exposed: others.map((one) => one.exposed),
        conditions: new Map(others.flatMap((one) => [...one.conditions])),
      }
    },
  })
  for (const gone of recorded.gone()) {
    unexposePorts(nft, ownerKey(gone.owner), gone.exposed, ending(tools, stateDir))
  }
  if (guard !== undefined) openLocalnet(host, guard)
  allowHairpin(host, link, exposed.mode === 'plain' ? [] : exposed.families.map(({ address }) => address.family))
  forgetConnections(nft, host, mapped, 'ADD')
  warnOfListeners(mapped)
  if (hasReference) progress.update({ ...recordOf(exposed, conditions), reference: true })
}
