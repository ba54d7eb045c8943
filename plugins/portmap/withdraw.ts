/** Takes an attachment's ports out of the ruleset, with everything that came with them. */

import type { Attachment } from '../../lib/attachment/chained.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { messageOf } from '../../lib/cni/error.js'
import type { DelRequest } from '../../lib/cni/request.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { exposePorts } from '../../lib/ruleset/host-ports.js'
import { type Exposed, HOST_PORTS, ownGuardedLink } from '../../lib/ruleset/host-ports-table.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { ownerKey, type Tag } from '../../lib/ruleset/owner.js'
import { removeReferencePorts } from '../../lib/ruleset/reference-portmap.js'
import { type UnexposeOptions, unexposePorts } from '../../lib/ruleset/unexpose-ports.js'
import { warn } from '../../lib/sys/log.js'
import { sha512Hex } from '../../lib/sys/text.js'
import type { PortmapConfig } from './config.js'
import { forgetConnections } from './connections.js'
import { closeLocalnet, closeLocalnets, reopen } from './localnet.js'
import { type Recorded, restoreIfLegible, restoreSiblings } from './record.js'
import { type Tools, usingIfAny } from './tools.js'

export function withdraw(tools: Tools, at: Attachment, recorded: Recorded): void {
  undo(tools, at, recorded)
  if (recorded.reference === true) removeReferencePorts(tools.nft, at)
}

/** What we made; the reference's stays for the container, which lives on. */
export function undo(tools: Tools, at: Attachment, recorded: Recorded): void {
  const restored = restoreIfLegible(at, recorded)
  if (restored === undefined) withdrawKey(tools, at.key, at.stateDir)
  else withdrawPorts(tools, restored.exposed, at.stateDir)
}

function withdrawPorts(tools: Tools, exposed: Exposed, stateDir: string): void {
  const { nft, host } = tools
  const link = ownGuardedLink(exposed)
  if (link !== undefined) closeLocalnet(nft, link)
  unexposePorts(nft, ownerKey(exposed.owner), exposed, ending(tools, stateDir))
  forgetConnections(nft, host, exposed, 'DEL')
}

/** What is found of an attachment by its key. */
export function withdrawKey(tools: Tools, key: string, stateDir: string): void {
  unexposePorts(tools.nft, key, undefined, ending(tools, stateDir))
}

/** The reference's, or ours whose record is lost. */
export function withdrawUnrecorded({ config, network, containerId }: DelRequest<PortmapConfig>, key: string): void {
  if ((config.runtimeConfig?.portMappings ?? []).length === 0) return
  usingIfAny((tools) => {
    withdrawKey(tools, key, stateDirOf(config))
    removeReferencePorts(tools.nft, { network, containerId })
  })
  nameLegacyLeftovers('nat', `CNI-DN-${sha512Hex(network + containerId).slice(0, 21)}`)
}

/** What else is to be done where ports end. */
export function ending(tools: Tools, stateDir: string): UnexposeOptions {
  return {
    beforeTableGoes: () => guardedTableGoes(tools.nft),
    handOver: (from) => handOver(tools, stateDir, from),
  }
}

/** The container's other attachments have waited for the ports of one that goes. */
function handOver({ nft, host }: Tools, stateDir: string, from: Tag): void {
  const linkExists = (name: string) => host.links.find(name) !== undefined
  for (const { exposed, conditions } of restoreSiblings(stateDir, from)) {
    try {
      exposePorts(nft, exposed, { conditions, linkExists, insteadOf: from.key })
    } catch (error) {
      const { network, ifName } = exposed.owner
      warn(`cannot give the host ports of ${from.text} to its attachment ${network}/${ifName}: ${messageOf(error)}`)
    }
  }
}

/** The table takes its guard along when it goes, so 127/8 is shut before; where it stayed after all, opened again. */
function guardedTableGoes(nft: Nftables): () => void {
  const closed = closeLocalnets(nft)
  return () => {
    if (nft.table(HOST_PORTS.name) !== undefined) reopen(closed)
  }
}
