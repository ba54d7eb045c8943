/**
 * GC: what no valid attachment accounts for is removed, records first, then links that lost theirs. IPAM's part follows,
 * which keeps the leases of what is still there.
 */

import { collectRecords, keysOf, recordedKeys } from '../attachment/collect.js'
import { collectFailures, type Failures } from '../attachment/failures.js'
import type { AttachmentName } from '../cni/attachments.js'
import type { NetworkConfig } from '../cni/config.js'
import { findDelegate } from '../cni/delegate.js'
import { type GcRequest, keeps } from '../cni/request.js'
import type { Netlink } from '../netlink/netlink.js'
import { openHost } from '../netns/namespace.js'
import { attachmentKey, listRecords, type RecordsPlace } from '../store/record.js'
import { encodeUtf8 } from '../sys/text.js'
import { detach, remove } from './detach.js'
import { readAlias } from './identity.js'
import { type Attached, PAIRING, placesOf } from './record.js'
import { collectRules, removeRules } from './rules.js'

/** What it must know of a plugin. */
type Collecting = Parameters<typeof detach>[0] & { readonly name: string }

export function gc(plugin: Collecting, request: GcRequest<NetworkConfig>): void {
  const { config, network, valid } = request
  const failures = collectFailures()
  let living: readonly AttachmentName[] | undefined = []
  if (valid !== undefined) {
    const keep = keysOf(network, valid)
    const host = openHost()
    const place = placesOf(plugin.name, request)
    collectRecords<Attached>(place, keep, failures, ({ key, containerId, ifName }, attached) => {
      detach(plugin, host, { key, ifName }, attached)
      if (attached !== undefined) removeRules({ network, containerId, ifName }, attached)
    })
    const known = () => new Set([...PAIRING.flatMap((name) => [...recordedKeys({ ...place, plugin: name })]), ...keep])
    if (plugin.kind === 'veth') {
      failures.attempt('cannot look for links without a record', () => collectLinks(network, host, known, failures))
    }
    failures.attempt('cannot tell which attachments are left, so all leases are kept', () => {
      living = undefined
      living = stillThere(place, host, !failures.none)
    })
    failures.attempt('cannot look for rules without a record', () =>
      collectRules(network, known, (what, action) => failures.attempt(what, action)),
    )
  }
  const ipam = config.ipam?.type ?? ''
  if (ipam !== '' && living !== undefined) {
    const kept = keeping(request, living)
    failures.attempt('', () => findDelegate(ipam, kept).run('GC'))
  }
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

/**
 * Attachments of the network that are there after all: what could not be removed, and what an ADD has made since the runtime
 * wrote its list. Each has a record; where one is lost or damaged, and a link could not be removed, the links tell.
 */
function stillThere(place: RecordsPlace, host: Netlink, failed: boolean): AttachmentName[] {
  const recorded = listRecords<Attached>(place).filter(({ state }) => state !== 'damaged')
  const linked = (failed ? host.links.list({ kind: 'veth' }) : []).flatMap(({ alias }) => {
    const owner = readAlias(alias)
    return owner?.network === place.network ? [owner] : []
  })
  return [...recorded, ...linked].map(({ containerId, ifName }) => ({ containerId, ifName }))
}

/** The request with more attachments to keep, for a plugin in this process and for another program. */
function keeping(request: GcRequest<NetworkConfig>, living: readonly AttachmentName[]): GcRequest<NetworkConfig> {
  const { valid, raw } = request
  if (valid === undefined) return request
  const keep = keeps(valid)
  const more = living.filter((attachment) => !keep(attachment))
  if (more.length === 0) return request
  const all = [...valid, ...more].map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }))
  const extended = { ...raw, 'cni.dev/valid-attachments': all, 'cni.dev/attachments': all }
  return { ...request, valid: [...valid, ...more], raw: extended, stdin: encodeUtf8(JSON.stringify(extended)) }
}
