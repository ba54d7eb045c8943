/** GC: what no valid attachment accounts for is removed, records first, then links that lost theirs; IPAM's part follows. */

import { collectRecords, keysOf, recordedKeys } from '../../lib/attachment/collect.js'
import { collectFailures, type Failures } from '../../lib/attachment/failures.js'
import { findDelegate } from '../../lib/cni/delegate.js'
import type { GcRequest } from '../../lib/cni/request.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import { attachmentKey } from '../../lib/store/record.js'
import { type Attached, PLUGIN } from './attached.js'
import { type BridgeConfig, stateDirOf } from './config.js'
import { detach, remove } from './detach.js'
import { readAlias } from './identity.js'
import { collectRules, removeRules } from './ruleset.js'

export function gc(request: GcRequest<BridgeConfig>): void {
  const { config, network, valid } = request
  const failures = collectFailures()
  if (valid !== undefined) {
    const keep = keysOf(network, valid)
    const host = openHost()
    const place = { stateDir: stateDirOf(config), plugin: PLUGIN, network }
    collectRecords<Attached>(place, keep, failures, ({ key, containerId, ifName }, attached) => {
      detach(host, key, attached)
      if (attached !== undefined) removeRules({ network, containerId, ifName }, attached)
    })
    const known = () => new Set([...recordedKeys(place), ...keep])
    failures.attempt('cannot look for links without a record', () => collectLinks(network, host, known, failures))
    failures.attempt('cannot look for rules without a record', () =>
      collectRules(network, known(), (what, action) => failures.attempt(what, action)),
    )
  }
  const ipam = config.ipam?.type ?? ''
  if (ipam !== '') failures.attempt('', () => findDelegate(ipam, request).run('GC'))
  failures.report()
}

/** Links of ours whose record is lost, by their alias. One with a record is of an ADD that is under way. */
function collectLinks(network: string, host: Netlink, known: () => ReadonlySet<string>, failures: Failures): void {
  let keep: ReadonlySet<string> | undefined
  for (const link of host.links.list({ kind: 'veth' })) {
    const owner = readAlias(link.alias)
    if (owner === undefined || owner.network !== network) continue
    if (attachmentKey(network, owner.containerId, owner.ifName) !== owner.key) continue
    // The records are read after the links.
    keep ??= known()
    if (!keep.has(owner.key)) failures.attempt(`cannot delete ${link.name}`, () => remove(host, link))
  }
}
