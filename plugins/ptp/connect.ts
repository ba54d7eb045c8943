/** The pair: its host's end is up before the container's, which needs a carrier. */

import type { Work } from '../../lib/interface/model.js'
import { createPair, type Paired } from '../../lib/interface/pair.js'
import type { InterfaceSettings } from '../../lib/interface/settings.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainer } from '../../lib/netns/namespace.js'
import { preferSysctl } from '../../lib/sysctl/sysctl.js'
import type { PtpConfig } from './config.js'

export function connect(work: Work<PtpConfig, InterfaceSettings>): Paired {
  const { host, file, settings } = work
  return createPair(work, inContainer(file, openNetlink), (identity) => {
    const link = host.links.create({ kind: 'veth', ...identity, mtu: settings.mtu })
    // Its link-local address is what the host looks for the container's with; nobody else can have it.
    preferSysctl(`net/ipv6/conf/${link.name}/accept_dad`, '0')
    preferSysctl(`net/ipv6/conf/${link.name}/accept_ra`, '0')
    host.links.change(link.index, { up: true })
    return link
  })
}
