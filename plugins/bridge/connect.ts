/** The part of ADD that runs inside the container's namespace: one way in, one way out. */

import { hostLinkName } from '../../lib/attachment/link-identity.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { belongsTo, hostLinkAlias } from '../../lib/interface/identity.js'
import { randomMac } from '../../lib/interface/mac.js'
import type { ContainerEnd } from '../../lib/interface/model.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import { inContainer } from '../../lib/netns/namespace.js'
import { isErrno } from '../../lib/sys/errno.js'
import type { Work } from './attach.js'
import type { Attached } from './attached.js'
import { remove } from './detach.js'
import { ensureBridge } from './ensure-bridge.js'
import { createPair } from './port.js'

export interface Connected {
  readonly bridge: Link
  /** The host's end. */
  readonly pair: Link
  /** The container's. */
  readonly end: ContainerEnd
  readonly container: Netlink
  readonly attached: Attached
}

/** Makes sure of the bridge and joins the container to it. */
export function connect(work: Work): Connected {
  const { host, settings, request, steps, file } = work
  const ATTEMPTS = 5
  for (let attempt = 1; ; attempt++) {
    const bridge = ensureBridge(host, settings, request.network, steps)
    try {
      return inContainer(file, () => enterAndConnect(work, bridge))
    } catch (error) {
      // A failed ADD beside us may have taken back the bridge it had made. EOPNOTSUPP: what was its port is none any more.
      const gone =
        isErrno(error, 'EINVAL', 'ENODEV', 'EOPNOTSUPP') && host.links.find(settings.bridge)?.index !== bridge.index
      if (!gone || attempt === ATTEMPTS) throw error
    }
  }
}

function enterAndConnect(work: Work, bridge: Link): Connected {
  const container = openNetlink()
  return { bridge, container, ...createOwnPair(work, bridge, container) }
}

/** Tries names for the host's end until one is free; the record says which before it is made. */
function createOwnPair(work: Work, bridge: Link, container: Netlink): Pick<Connected, 'pair' | 'end' | 'attached'> {
  const { host, key, file, claim, settings, steps } = work
  const { network, containerId, ifName, args } = work.request
  const alias = hostLinkAlias(key, network, containerId, ifName, args)
  const mac = settings.mac ?? randomMac()
  const ATTEMPTS = 10
  for (let attempt = 0; ; attempt++) {
    const hostName = hostLinkName(key, attempt)
    const attached = { ...work.planned, hostLink: hostName }
    if (attempt > 0) claim.write('adding', attached)
    steps.push('the veth pair', () => {
      const link = host.links.find(hostName)
      if (link !== undefined && belongsTo(key, link)) remove(host, link)
    })
    try {
      const spec = { hostName, alias, key, ifName, mac, namespaceFd: file.fd, bridge }
      const pair = createPair(host, spec, settings)
      const { peerIndex: index, mtu } = pair
      const end = index === undefined ? container.links.get(ifName) : { index, name: ifName, mac, mtu }
      container.links.learn(end)
      return { pair, end, attached }
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      if (container.links.find(ifName) !== undefined) {
        throw alreadyExists(
          ifName,
          `CNI_IFNAME must be new to the container; ip -n NETNS link show ${ifName} tells what it is`,
        )
      }
      if (attempt === ATTEMPTS) throw error
    }
  }
}

export function alreadyExists(ifName: string, details: string): CniError {
  return new CniError(
    ErrorCode.AlreadyExists,
    `failed to create veth pair: container veth name provided (${ifName}) already exists`,
    details,
  )
}
