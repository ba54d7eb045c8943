/**
 * DEL: whatever is missing, what is left of the attachment is removed. Links first, and no lease where a link may be
 * left: an address that is free while it lives on a link would go to a second pod.
 */

import { removeAbandoned } from '../../lib/attachment/abandoned.js'
import { collectFailures } from '../../lib/attachment/failures.js'
import { type AddHasBegun, removeAttachment } from '../../lib/attachment/removal.js'
import { findDelegate } from '../../lib/cni/delegate.js'
import type { DelRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { attachmentKey } from '../../lib/store/record.js'
import { type Attached, placeOf, placesOf } from './attached.js'
import type { BridgeConfig } from './config.js'
import { detach, detachInside, forget } from './detach.js'
import { removeRules, removeUnrecordedRules } from './ruleset.js'

export function del(request: DelRequest<BridgeConfig>): void {
  removeAttachment<Attached>(placeOf(request, request), (attached, addHasBegun) =>
    remove(request, attached, addHasBegun),
  )
  removeAbandoned<Attached>(placesOf(request), {
    own: attachmentKey(request.network, request.containerId, request.ifName),
    linkOf: ({ hostLink }) => hostLink,
    remove: (gone, attached) => removeLinkless({ network: request.network, ...gone }, attached),
  })
}

/** Of an attachment whose link is gone. Its lease is left to its own DEL and to GC: they ask IPAM by its names. */
function removeLinkless(whose: Parameters<typeof removeRules>[0], attached: Attached): void {
  forget(openHost(), attached)
  removeRules(whose, attached)
}

function remove(request: DelRequest<BridgeConfig>, attached: Attached | undefined, addHasBegun: AddHasBegun): void {
  const { config, network, containerId, ifName, netns } = request
  const key = attachmentKey(network, containerId, ifName)
  const failures = collectFailures()
  const detached = failures.attempt(`failed to delete ${ifName}, so its lease is kept`, () => {
    const host = openHost()
    if (!detach(host, key, attached)) detachInside(host, key, netns, ifName)
  })
  // After the links: what a chained plugin's DEL has just removed is freed meanwhile, and the next one need not wait.
  failures.attempt(`failed to remove ${ifName} from nftables`, () => {
    if (attached === undefined) removeUnrecordedRules(request, config)
    else removeRules(request, attached)
  })
  const ipam =
    typeof config.ipam?.type === 'string' && config.ipam.type !== '' ? config.ipam.type : (attached?.ipam ?? '')
  // A delegate's error speaks for itself.
  // The lease may be that of a link which such an ADD makes just now; it is undone as a whole when it has ended.
  if (detached && !addHasBegun() && ipam !== '') failures.attempt('', () => findDelegate(ipam, request).run('DEL'))
  failures.report()
}
