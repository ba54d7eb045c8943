/** Makes sure of the bridge and joins the container to it. */

import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { createPair, type Paired } from '../../lib/interface/pair.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainer } from '../../lib/netns/namespace.js'
import { isErrno } from '../../lib/sys/errno.js'
import { ensureBridge } from './ensure-bridge.js'
import { refuseTakenMac } from './mac-holder.js'
import type { BridgeWork, Joined } from './model.js'
import { createPort } from './port.js'
import { segmentOf } from './segment.js'

/** Throws code 103 where another on the bridge has the requested MAC. */
export function connect(work: BridgeWork): Joined {
  const { host, key, request, settings } = work
  const { bridge, ...pair } = join(work)
  const segment = segmentOf(host, bridge, settings)
  if (settings.mac !== undefined) refuseTakenMac(segment, stateDirOf(request.config), key, settings.mac)
  return { ...pair, bridge, segment }
}

function join(work: BridgeWork): Paired & { readonly bridge: Link } {
  const { host, settings, request, steps, file } = work
  const ATTEMPTS = 5
  for (let attempt = 1; ; attempt++) {
    const bridge = ensureBridge(host, settings, request.network, steps)
    try {
      return inContainer(file, () => ({ bridge, ...enter(work, bridge) }))
    } catch (error) {
      // A failed ADD beside us may have taken back the bridge it had made. EOPNOTSUPP: what was its port is none any more.
      const gone =
        isErrno(error, 'EINVAL', 'ENODEV', 'EOPNOTSUPP') && host.links.find(settings.bridge)?.index !== bridge.index
      if (!gone || attempt === ATTEMPTS) throw error
    }
  }
}

function enter(work: BridgeWork, bridge: Link): Paired {
  return createPair(work, openNetlink(), (identity) => createPort(work.host, identity, bridge, work.settings))
}
