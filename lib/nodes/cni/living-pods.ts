/** The addresses of this node's pods, for STATUS: host-gw and vxlan are not given the configuration they are leased by. */

import { formatAddress, type IpAddress } from '../../ip/address.js'
import { containsAddress, formatPrefix, type Prefix, parsePrefix } from '../../ip/prefix.js'
import { listRecords } from '../../store/record.js'
import type { Shape } from '../../store/shape.js'
import type { Node } from '../model.js'

/** The plugins that record what addresses a pod has. */
const PLUGINS = ['bridge', 'ptp']
const SHAPE: Shape = { addresses: ['string'] }

/**
 * In words, the pods of the network that other nodes have no route to. No reason to fail: their range may have been corrected
 * since they were attached.
 */
export function podsOutside(stateDir: string, network: string, { name, podCIDRs }: Node): string | undefined {
  const outside = addressesHere(stateDir, network).filter((one) => !podCIDRs.some((cidr) => containsAddress(cidr, one)))
  if (outside.length === 0) return undefined
  const some = outside.slice(0, 3).map(formatAddress)
  const more = outside.length > some.length ? ` and ${outside.length - some.length} more` : ''
  return `other nodes have no route to pods that are here: ${some.join(', ')}${more}, in no pod CIDR of "${name}" (${podCIDRs.map(formatPrefix).join(', ')}); give "ipam" a range inside one, or correct the table of nodes`
}

function addressesHere(stateDir: string, network: string): IpAddress[] {
  return PLUGINS.flatMap((plugin) =>
    listRecords<{ readonly addresses: readonly string[] }>({ stateDir, plugin, network, shape: SHAPE }),
  )
    .filter(({ state, sameBoot }) => state === 'ready' && sameBoot)
    .flatMap(({ content }) => content?.addresses ?? [])
    .map((text) => parsePrefix(text))
    .filter((prefix): prefix is Prefix => prefix !== undefined)
    .map(({ address }) => address)
}
