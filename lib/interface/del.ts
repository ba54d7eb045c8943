/**
 * DEL: whatever is missing, what is left of the attachment is removed. Links first, and no lease where a link may be
 * left: an address that is free while it lives on a link would go to a second pod.
 */

import { removeAbandoned } from '../attachment/abandoned.js'
import { collectFailures } from '../attachment/failures.js'
import { type AddHasBegun, removeAttachment } from '../attachment/removal.js'
import type { NetworkConfig } from '../cni/config.js'
import { findDelegate } from '../cni/delegate.js'
import type { DelRequest } from '../cni/request.js'
import { openHost } from '../netns/namespace.js'
import { attachmentKey } from '../store/record.js'
import { detach, detachInside } from './detach.js'
import { type Attached, placeOf, placesOf } from './record.js'
import { removeRules, removeUnrecordedRules } from './rules.js'

/** What it must know of a plugin. */
type Removing = Parameters<typeof detach>[0] & { readonly name: string }

export function del(plugin: Removing, request: DelRequest<NetworkConfig>): void {
  removeAttachment<Attached>(placeOf(plugin.name, request), (attached, addHasBegun) =>
    remove(plugin, request, attached, addHasBegun),
  )
  removeAbandoned<Attached>(placesOf(plugin.name, request), {
    own: attachmentKey(request.network, request.containerId, request.ifName),
    linkOf: ({ hostLink }) => hostLink,
    remove: ({ containerId, ifName }, attached, finished) =>
      removeLinkless(plugin, { ...request, containerId, ifName, netns: '' }, attached, finished),
  })
}

/**
 * Of an attachment whose link is gone. The lease of one whose ADD had succeeded is left to its own DEL and to GC: somebody
 * may still send to that address.
 */
function removeLinkless(
  plugin: Removing,
  gone: DelRequest<NetworkConfig>,
  attached: Attached,
  finished: boolean,
): void {
  plugin.forget?.(openHost(), attached)
  removeRules(gone, attached)
  if (finished || attached.ipam === '') return
  const ipam = findDelegate(attached.ipam, gone)
  // Another program reads the names of its container from an environment that has those of this call.
  if (ipam.inThisProcess) ipam.run('DEL')
}

function remove(
  plugin: Removing,
  request: DelRequest<NetworkConfig>,
  attached: Attached | undefined,
  addHasBegun: AddHasBegun,
): void {
  const { config, network, containerId, ifName, netns } = request
  const key = attachmentKey(network, containerId, ifName)
  const failures = collectFailures()
  const detached = failures.attempt(`failed to delete ${ifName}, so its lease is kept`, () => {
    const host = openHost()
    if (!detach(plugin, host, { key, ifName }, attached)) detachInside(plugin.kind, host, key, netns, ifName)
  })
  // After the links: what a chained plugin's DEL has just removed is freed meanwhile, and the next one need not wait.
  failures.attempt(`failed to remove ${ifName} from nftables`, () => {
    if (attached === undefined) removeUnrecordedRules(request)
    else removeRules(request, attached)
  })
  const ipam =
    typeof config.ipam?.type === 'string' && config.ipam.type !== '' ? config.ipam.type : (attached?.ipam ?? '')
  // A delegate's error speaks for itself.
  // The lease may be that of a link which such an ADD makes just now; it is undone as a whole when it has ended.
  if (detached && !addHasBegun() && ipam !== '') failures.attempt('', () => findDelegate(ipam, request).run('DEL'))
  failures.report()
}
