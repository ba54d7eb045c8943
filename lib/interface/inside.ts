/** A link that is in the container as a whole: its alias there says whose it is. */

import type { NetworkConfig } from '../cni/config.js'
import { CniError, ErrorCode } from '../cni/error.js'
import type { LinkSpec } from '../netlink/links/kinds.js'
import { createLink } from '../netlink/links/requests.js'
import { type Netlink, openNetlink } from '../netlink/netlink.js'
import { inContainer } from '../netns/namespace.js'
import { isErrno } from '../sys/errno.js'
import { alreadyExists, mustBeNew } from './already-exists.js'
import { detachInside } from './detach.js'
import { hostLinkAlias } from './identity.js'
import type { Made, Work } from './model.js'
import type { InterfaceSettings } from './settings.js'

/** All but what makes it this attachment's. */
export type InsideSpec = LinkSpec extends infer Spec
  ? Spec extends LinkSpec
    ? Omit<Spec, 'name' | 'namespaceFd'>
    : never
  : never

/**
 * Creates the link in the container, under its name from the start. `from` is the namespace that `spec.link` counts in;
 * default the host. Throws code 101 where the container has a link of that name, 105 where the kernel lacks the kind.
 */
export function createInside<C extends NetworkConfig, S extends InterfaceSettings>(
  work: Work<C, S>,
  spec: InsideSpec,
  from: 'host' | 'container' = 'host',
): Made {
  const { host, key, file, steps, planned, request } = work
  const { network, containerId, ifName, netns, args } = request
  const container = inContainer(file, openNetlink)
  const { kind } = spec
  const taken = () => alreadyExists(kind, ifName, mustBeNew(ifName))
  if (container.links.find(ifName) !== undefined) throw taken()
  let ours = true
  steps.push(`the ${kind} link`, () => {
    if (ours) detachInside(kind, host, key, netns, ifName)
  })
  try {
    const whole = { mtu: work.settings.mtu, mac: work.settings.mac, ...spec, name: ifName } as LinkSpec
    create(from === 'host' ? host : container, from === 'host' ? { ...whole, namespaceFd: file.fd } : whole)
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP')) throw unsupported(kind)
    if (!isErrno(error, 'EEXIST') || container.links.find(ifName) === undefined) throw error
    ours = false
    throw taken()
  }
  const end = container.links.get(ifName)
  container.links.change(end.index, { alias: hostLinkAlias(key, network, containerId, ifName, args) })
  return { container, end, attached: planned }
}

/** Without a look at the link, which may be in another namespace. */
function create(netlink: Netlink, spec: LinkSpec): void {
  const [failure] = netlink.batch([createLink(spec)])
  if (failure !== undefined) throw failure.error
}

function unsupported(kind: string): CniError {
  return new CniError(
    ErrorCode.KernelRefused,
    `failed to create ${kind}: operation not supported: the running kernel has no links of that kind`,
    `load its module: modprobe ${kind}`,
  )
}
