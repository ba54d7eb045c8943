/** What the configuration and the previous result come to. */

import { findEnds } from '../../lib/attachment/host-end.js'
import { everyAddress, hostInterfaces, vlanGateway } from '../../lib/attachment/previous.js'
import { podName } from '../../lib/cni/args.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import type { Owner } from '../../lib/ruleset/owner.js'
import type { FirewallConfig, Settings } from './config.js'
import { isRunning } from './firewalld.js'
import type { Admitted } from './record.js'

export interface Wanted {
  readonly host: Netlink
  readonly owner: Owner
  readonly addresses: readonly IpAddress[]
  /** The host's end of the container's link. */
  readonly end: Link | undefined
  readonly adminChain: string
  readonly planned: Admitted
}

export function wantedAdmission(
  {
    network,
    containerId,
    ifName,
    netns,
    args,
  }: Pick<AddRequest<FirewallConfig>, 'network' | 'containerId' | 'ifName' | 'netns' | 'args'>,
  { backend, zone, policy, adminChain }: Settings,
  previous: Result,
): Wanted {
  const addresses = everyAddress(previous)
  const host = openHost()
  const { outside: end } = findEnds(host, netns, ifName)
  const pod = podName(args)
  const extras = { ...(pod === '' ? {} : { pod }), ...(end === undefined ? {} : { link: end.name }) }
  const byFirewalld = backend === 'firewalld' || (backend === 'auto' && isRunning())
  return {
    host,
    owner: { network, containerId, ifName, ...extras },
    addresses,
    end,
    adminChain,
    planned: {
      addresses: addresses.map(formatAddress),
      ...(byFirewalld ? { zone } : {}),
      ...(policy === undefined ? {} : { bridge: policedLink(host, previous, ifName), policy }),
      ...extras,
    },
  }
}

/**
 * The interface of the host that routed packets of the container pass: the first of the result, as the reference has it,
 * or the gateway of its VLAN.
 */
function policedLink(host: Netlink, previous: Result, ifName: string): string {
  const gateway = vlanGateway(host, previous)
  if (gateway !== undefined) return gateway.name
  // Some plugins leave out the sandbox of the container's interface.
  const [first] = hostInterfaces(previous).filter(({ name }) => name !== ifName)
  if (first !== undefined) return first.name
  throw new CniError(
    ErrorCode.InvalidConfig,
    'ingressPolicy needs a bridge, and prevResult has no interface of the host',
    'put firewall right behind bridge in the list of plugins',
  )
}
