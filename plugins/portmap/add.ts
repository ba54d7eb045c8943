/** ADD: the record first, then one transaction for all of the ports. */

import { addressOf, containerAddresses, hostSide, linkTowards, requirePrevious } from '../../lib/attachment/previous.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { podName } from '../../lib/cni/args.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import type { IpAddress } from '../../lib/ip/address.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openHost } from '../../lib/netns/namespace.js'
import { type Conditions, conditionsChain } from '../../lib/ruleset/conditions.js'
import { exposePorts } from '../../lib/ruleset/host-ports.js'
import { type Exposed, type ExposedFamily, guardedLink } from '../../lib/ruleset/host-ports-table.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { claimOrCreate } from '../../lib/store/record.js'
import { mappingsFor, type PortmapConfig, type Settings, settingsOf } from './config.js'
import { forgetConnections } from './connections.js'
import { allowHairpin } from './hairpin.js'
import { needsGuard, openLocalnet } from './localnet.js'
import { placeOf, type Recorded, recordOf, restore, restoreAll } from './record.js'
import { withdraw, withdrawGone } from './withdraw.js'

export function add(request: AddRequest<PortmapConfig>): Result {
  const previous = requirePrevious('portmap', request.prevResult)
  if ((request.config.runtimeConfig?.portMappings ?? []).length === 0) return previous
  const settings = settingsOf(request.config)
  const host = openHost()
  const { end: link } = hostSide(host, previous)
  const { exposed, conditions } = wanted(request, host, previous, settings, link?.name)
  if (exposed.families.length === 0) return previous
  const recorded = recordOf(exposed, conditions)
  const claim = claimOrCreate<Recorded>(placeOf(request, request), recorded)
  withRuleset((nft) => {
    try {
      if (claim.earlier !== undefined) {
        withdraw(nft, host, restore(request, claim.earlier.content).exposed)
        claim.write('adding', recorded)
      }
      const towards = guardedLink(exposed)
      const guard = towards !== undefined && needsGuard(host, nft, towards) ? towards : undefined
      let restored: readonly Exposed[] = []
      exposePorts(nft, exposed, {
        conditions,
        guard,
        linkExists: (name) => host.links.find(name) !== undefined,
        others: () => {
          const all = restoreAll(stateDirOf(request.config))
          restored = all.exposed
          return all
        },
      })
      withdrawGone(nft, restored, () => restoreAll(stateDirOf(request.config)).exposed)
      if (guard !== undefined) openLocalnet(host, guard)
      allowHairpin(host, link, settings.mode === 'plain' ? [] : exposed.families.map(({ address }) => address.family))
      forgetConnections(nft, host, exposed, 'ADD')
      claim.write('ready', recorded)
      claim.release()
    } catch (error) {
      try {
        withdraw(nft, host, exposed)
        claim.remove()
      } catch {
        claim.release() // DEL has the record
      }
      throw error
    }
  })
  return previous
}

/** What the configuration and the container's addresses come to. */
export function wanted(
  request: Pick<AddRequest<PortmapConfig>, 'network' | 'containerId' | 'ifName' | 'args'>,
  host: Netlink,
  previous: Result,
  settings: Settings,
  link: string | undefined,
): { exposed: Exposed; conditions: ReadonlyMap<string, Conditions> } {
  const { network, containerId, ifName, args } = request
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
  const pod = podName(args)
  const owner = {
    network,
    containerId,
    ifName,
    ...(pod === '' ? {} : { pod }),
    ...(link === undefined ? {} : { link }),
  }
  return { exposed: { owner, mode: settings.mode, families }, conditions }
}
