/** A veth pair with one end in the container, by whose other end the attachment is found again. */

import { hostLinkName } from '../attachment/link-identity.js'
import type { NetworkConfig } from '../cni/config.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { isErrno } from '../sys/errno.js'
import { alreadyExists, mustBeNew } from './already-exists.js'
import { remove } from './detach.js'
import { belongsTo, hostLinkAlias, hostLinkMac } from './identity.js'
import { randomMac } from './mac.js'
import type { Made, Work } from './model.js'
import type { InterfaceSettings } from './settings.js'

/** What makes the pair this attachment's: to be given to the kernel as it is. */
export interface PairIdentity {
  /** Of the host's end. */
  readonly name: string
  readonly mac: string
  readonly alias: string
  /** The container's end. */
  readonly peer: {
    readonly name: string
    readonly mac: string
    readonly mtu: number | undefined
    /** Descriptor of the container's namespace. */
    readonly namespaceFd: number
  }
}

/** A pair has both ends. */
export interface Paired extends Made {
  readonly hostEnd: Link
}

/**
 * Calls `make` with names for the host's end until one is free; the record says which before it is made. `make` returns the
 * host's end. Throws code 101 where the container has a link of that name.
 */
export function createPair<C extends NetworkConfig, S extends InterfaceSettings>(
  work: Work<C, S>,
  container: Netlink,
  make: (identity: PairIdentity) => Link,
): Paired {
  const { host, key, file, claim, settings, steps } = work
  const { network, containerId, ifName, args } = work.request
  const alias = hostLinkAlias(key, network, containerId, ifName, args)
  const mac = settings.mac ?? randomMac()
  const peer = { name: ifName, mac, mtu: settings.mtu, namespaceFd: file.fd }
  const ATTEMPTS = 10
  for (let attempt = 0; ; attempt++) {
    const name = hostLinkName(key, attempt)
    const attached = { ...work.planned, hostLink: name }
    if (attempt > 0) claim.write('adding', attached)
    steps.push('the veth pair', () => {
      const link = host.links.find(name)
      if (link !== undefined && belongsTo(key, link)) remove(host, link)
    })
    try {
      const hostEnd = make({ name, mac: hostLinkMac(key), alias, peer })
      const { peerIndex: index, mtu } = hostEnd
      const end = index === undefined ? container.links.get(ifName) : { index, name: ifName, mac, mtu }
      container.links.learn(end)
      return { container, hostEnd, end, attached }
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      if (container.links.find(ifName) !== undefined) throw alreadyExists('veth', ifName, mustBeNew(ifName))
      if (attempt === ATTEMPTS) throw error
    }
  }
}
