/**
 * bandwidth: limits the rate of traffic to and from the container with token buckets.
 * https://www.cni.dev/plugins/current/meta/bandwidth/
 */

import { type Attachment, defineChained } from '../../lib/attachment/chained.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import { warn } from '../../lib/sys/log.js'
import { schema } from './config.generated.js'
import { type BandwidthConfig, type Shaping, shapingOf, uselessLimits } from './config.js'
import { differences } from './differences.js'
import { removeIfb, removeReferenceIfb, staleIfbs } from './ifb.js'
import { type Limited, SHAPE } from './record.js'
import { shape, unshape } from './shape.js'
import { type Wanted, wantedLimits } from './wanted.js'

export const { main } = defineChained<BandwidthConfig, Shaping, Wanted, Limited, Netlink>({
  name: 'bandwidth',
  schema,
  settings(config) {
    const shaping = shapingOf(config)
    return shaping.ingress === undefined && shaping.egress === undefined ? undefined : shaping
  },
  using: (work) => work(openHost()),
  usingIfAny: (work) => work(openHost()),
  wanted: wantedLimits,
  record: ({ veth, shaping: { ingress, egress } }) => ({
    link: veth.name,
    ingress: ingress !== undefined,
    egress: egress !== undefined,
  }),
  shape: SHAPE,
  apply: (host, _at, wanted) => shape(host, wanted),
  undo: (host, { key }, recorded) => unshape(host, key, recorded),
  withdraw,
  withdrawKey: removeIfb,
  withdrawUnrecorded: (_request, at) => withdraw(openHost(), at),
  stale: staleIfbs,
  differences: (host, { key }, wanted) => differences(host, key, wanted),
  subject: ({ ifName }) => ({ what: `limits of ${ifName} are` }),
  status: ({ config }) => {
    for (const useless of uselessLimits(shapingOf(config))) warn(useless)
  },
})

/** The qdiscs of the host's end go with it. */
function withdraw(host: Netlink, { network, containerId, key }: Attachment): void {
  removeIfb(host, key)
  removeReferenceIfb(host, network, containerId)
}
