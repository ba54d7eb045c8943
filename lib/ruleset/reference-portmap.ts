/**
 * What the reference's portmap left for a container: rules of `ip` and `ip6 cni_hostport`, and iptables-nft chains
 * `CNI-DN-<hash>` (older releases also `CNI-SN-<hash>`). Removed by netlink; the shared chains stay.
 */

import type { Nftables } from '../netlink/nftables/nftables.js'
import { sha512Hex } from '../sys/text.js'
import type { Owner } from './owner.js'
import { removeIptablesChain, removeRules } from './reference-bridge.js'

export function removeReferencePorts(
  nft: Nftables,
  { network, containerId }: Pick<Owner, 'network' | 'containerId'>,
): void {
  const hash = sha512Hex(network + containerId).slice(0, 21)
  for (const family of ['ip', 'ip6'] as const) {
    for (const chain of ['hostports', 'hostip_hostports', 'masquerading']) {
      removeRules(nft, { family, table: 'cni_hostport', chain }, ({ comment }) => comment === containerId)
    }
    removeIptablesChain(nft, family, `CNI-DN-${hash}`, ['CNI-HOSTPORT-DNAT'])
    removeIptablesChain(nft, family, `CNI-SN-${hash}`, ['CNI-HOSTPORT-SNAT', 'POSTROUTING'])
  }
}
