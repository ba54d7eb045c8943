/** What the configuration and the container's addresses come to. */

import { findEnds } from '../../lib/attachment/host-end.js'
import { addressOf, containerAddresses, linkTowards } from '../../lib/attachment/previous.js'
import { podName } from '../../lib/cni/args.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import type { IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { type Conditions, conditionsChain } from '../../lib/ruleset/conditions.js'
import type { Exposed, ExposedFamily } from '../../lib/ruleset/host-ports-table.js'
import { warn } from '../../lib/sys/log.js'
import { mappingsFor, type PortmapConfig, type Settings } from './config.js'
import type { Tools } from './tools.js'

/** What ADD maps. */
export interface Wanted {
  readonly exposed: Exposed
  /** By the names of their chains. */
  readonly conditions: ReadonlyMap<string, Conditions>
  /** The host's end of the container's link. */
  readonly link: Link | undefined
}

/** Undefined where the container has no address of a mapping's family. */
export function wantedPorts(
  { host }: Tools,
  request: Pick<AddRequest<PortmapConfig>, 'network' | 'containerId' | 'ifName' | 'netns' | 'args'>,
  settings: Settings,
  previous: Result,
): Wanted | undefined {
  const { network, containerId, ifName, netns, args } = request
  const addresses = containerAddresses(previous, ifName)
  const conditions = new Map<string, Conditions>()
  const families: ExposedFamily[] = []
  const links: Link[] = []
  for (const family of [4, 6] as const) {
    const address: IpAddress | undefined = addressOf(addresses, family)
    const mappings = address === undefined ? [] : mappingsFor(settings.mappings, address)
    if (address === undefined || mappings.length === 0) continue
    const towards = settings.mode === 'plain' ? undefined : linkTowards(host, address, links)
    if (towards !== undefined) links.push(towards)
    const asked = settings.conditions[family]
    const chain = asked && conditionsChain(asked)
    if (asked !== undefined && chain !== undefined) conditions.set(chain, asked)
    families.push({
      address,
      mappings,
      ...(towards === undefined ? {} : { beside: towards.name }),
      ...(chain === undefined ? {} : { conditions: chain }),
    })
  }
  if (families.length === 0) {
    warn(
      `no host port leads to this container: prevResult has no address of ${ifName} that portMappings are for; put portmap behind the plugin that gives the address`,
    )
    return undefined
  }
  const { outside: link } = findEnds(host, netns, ifName)
  const pod = podName(args)
  const owner = {
    network,
    containerId,
    ifName,
    ...(pod === '' ? {} : { pod }),
    ...(link === undefined ? {} : { link: link.name }),
  }
  return { exposed: { owner, mode: settings.mode, families }, conditions, link }
}
