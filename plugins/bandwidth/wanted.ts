/** What the configuration and the previous result come to. */

import { podName } from '../../lib/cni/args.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Owner } from '../../lib/ruleset/owner.js'
import type { BandwidthConfig, Shaping } from './config.js'
import { requireHostEnd } from './host-end.js'

export interface Wanted {
  readonly owner: Owner
  /** The host's end of the container's link. */
  readonly veth: Link
  readonly shaping: Shaping
  readonly previous: Result
}

export function wantedLimits(
  host: Netlink,
  {
    network,
    containerId,
    ifName,
    netns,
    args,
  }: Pick<AddRequest<BandwidthConfig>, 'network' | 'containerId' | 'ifName' | 'netns' | 'args'>,
  shaping: Shaping,
  previous: Result,
): Wanted {
  const veth = requireHostEnd(host, netns, ifName)
  const pod = podName(args)
  const owner = { network, containerId, ifName, link: veth.name, ...(pod === '' ? {} : { pod }) }
  return { owner, veth, shaping, previous }
}
