/** GC: what no valid attachment accounts for is removed, records first, then links that lost theirs; IPAM's part follows. */

import { findDelegate } from '../../lib/cni/delegate.js'
import { toCniError } from '../../lib/cni/error.js'
import { type GcRequest, keeps } from '../../lib/cni/request.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import { attachmentKey, claim, type ListedRecord, listRecords } from '../../lib/store/record.js'
import { unlink } from '../../lib/sys/file.js'
import { type Attached, PLUGIN, placeOf } from './attached.js'
import { type BridgeConfig, stateDirOf } from './config.js'
import { together } from './del.js'
import { detach, remove } from './detach.js'
import { readAlias } from './identity.js'
import { collectRules, removeRules } from './ruleset.js'

type Keep = ReturnType<typeof keeps>

export function gc(request: GcRequest<BridgeConfig>): void {
  const { config, network, valid } = request
  const failures: unknown[] = []
  const attempt = (what: string, action: () => void): void => {
    try {
      action()
    } catch (error) {
      failures.push(toCniError(error, what))
    }
  }
  if (valid !== undefined) {
    const keep = keeps(valid)
    const host = openHost()
    for (const record of listRecords<Attached>(stateDirOf(config), PLUGIN, network)) {
      attempt(`cannot remove ${record.containerId}/${record.ifName}`, () => collect(request, host, record, keep))
    }
    attempt('cannot look for links without a record', () => collectLinks(request, host, keep, attempt))
    attempt('cannot look for rules without a record', () => {
      const known = listRecords(stateDirOf(config), PLUGIN, network).map(({ key }) => key)
      const kept = valid.map(({ containerId, ifName }) => attachmentKey(network, containerId, ifName))
      collectRules(network, new Set([...known, ...kept]), attempt)
    })
  }
  const ipam = config.ipam?.type ?? ''
  if (ipam !== '') {
    try {
      findDelegate(ipam, request).run('GC')
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw together(failures)
}

function collect(request: GcRequest<BridgeConfig>, host: Netlink, listed: ListedRecord<Attached>, keep: Keep): void {
  if (listed.state === 'damaged') {
    // Nobody can tell whose it was; by its key it is kept if one of the valid has it.
    if (
      (request.valid ?? []).some(
        ({ containerId, ifName }) => attachmentKey(request.network, containerId, ifName) === listed.key,
      )
    )
      return
    detach(host, listed.key, undefined)
    unlink(listed.path)
    return
  }
  if (keep(listed)) return
  const record = claim<Attached>(placeOf(request, listed))
  if (record === undefined) return
  try {
    // An ADD that was running when we looked and has finished since is news, not stale.
    if (listed.state === 'adding' && record.earlier?.state === 'ready') {
      record.release()
      return
    }
    const attached = record.earlier?.content ?? listed.content
    if (attached?.rules !== undefined) record.write('adding', attached) // as DEL does
    detach(host, listed.key, attached)
    if (attached !== undefined) removeRules({ network: request.network, ...listed }, attached)
    record.remove()
  } catch (error) {
    record.release()
    throw error
  }
}

/** Links of ours whose record is lost, by their alias. One with a record is of an ADD that is under way. */
function collectLinks(
  { config, network }: GcRequest<BridgeConfig>,
  host: Netlink,
  keep: Keep,
  attempt: (what: string, action: () => void) => void,
): void {
  let recorded: Set<string> | undefined
  for (const link of host.links.list({ kind: 'veth' })) {
    const owner = readAlias(link.alias)
    if (owner === undefined || owner.network !== network || keep(owner)) continue
    if (attachmentKey(network, owner.containerId, owner.ifName) !== owner.key) continue
    recorded ??= new Set(listRecords(stateDirOf(config), PLUGIN, network).map(({ key }) => key))
    if (!recorded.has(owner.key)) attempt(`cannot delete ${link.name}`, () => remove(host, link))
  }
}
