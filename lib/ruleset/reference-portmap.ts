/**
 * What the reference's portmap has for a container: rules of `ip` and `ip6 cni_hostport`, and iptables-nft chains
 * `CNI-DN-<hash>` (older releases also `CNI-SN-<hash>`). Removed by netlink; the shared chains stay.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Family } from '../ip/address.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { sha512Hex } from '../sys/text.js'
import { type Exposed, type PortMapping, PROTOCOLS } from './host-ports-table.js'
import { sameBytes } from './key.js'
import type { Owner } from './owner.js'
import { removeIptablesChain, removeRules } from './reference-bridge.js'
import { type Asked, matchComment, multiportOf, rewriteOf, targetOf } from './reference-iptables.js'

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

/** A port of this host that the reference has mapped. */
interface Held extends Asked {
  /** The container in the reference's words, which have its identifier in them. */
  readonly holder: string
  /** Shows the rules. */
  readonly command: string
}

/**
 * Throws code 104 where the reference has mapped a port for another container: both rules would stand, and one win. True where
 * it has mapped one for this container.
 */
export function refuseReferenceHolders(nft: Nftables, { owner, families }: Exposed): boolean {
  const mapped = families.filter(({ mappings }) => mappings.length > 0)
  const chains = nft.chainsAmong(
    mapped.flatMap(({ address }) => [nftChain(address.family), iptablesChain(address.family)]),
  )
  if (chains.length === 0) return false
  let hasOwn = false
  for (const { address, mappings } of mapped) {
    const wanted = new Set(mappings.map(({ hostPort }) => hostPort))
    for (const held of [...heldInNft(nft, address.family), ...heldInIptables(nft, address.family, wanted)]) {
      const mapping = mappings.find((one) => collides(one, held))
      if (mapping === undefined) continue
      if (isOf(held, owner.containerId)) {
        hasOwn = true
        continue
      }
      throw new CniError(
        ErrorCode.HostPortTaken,
        `host port ${mapping.hostPort}/${mapping.protocol} is already mapped by the reference's portmap for ${held.holder}`,
        `delete that container, or choose another host port; its rules, which stay if it was not deleted in order: ${held.command}`,
      )
    }
  }
  return hasOwn
}

function collides({ protocol, hostPort, hostAddress }: PortMapping, held: Asked): boolean {
  return (
    (held.protocol ?? PROTOCOLS[protocol]) === PROTOCOLS[protocol] &&
    (held.port ?? hostPort) === hostPort &&
    (held.destination === undefined || hostAddress === undefined || sameBytes(held.destination, hostAddress.bytes))
  )
}

function isOf({ holder }: Held, containerId: string): boolean {
  return holder === `container ${containerId}` || holder.includes(`id: "${containerId}"`)
}

/** Where the reference's rules begin, by the tool that it uses. */
function nftChain(family: Family) {
  return { family: family === 4 ? 'ip' : 'ip6', table: 'cni_hostport', chain: 'hostports' } as const
}

function iptablesChain(family: Family) {
  return { family: family === 4 ? 'ip' : 'ip6', table: 'nat', chain: 'CNI-HOSTPORT-DNAT' } as const
}

function heldInNft(nft: Nftables, family: Family): Held[] {
  const chain = nftChain(family)
  const command = `nft -a list chain ${chain.family} cni_hostport hostports`
  return nft.rules(chain).flatMap((rule) => {
    const asked = rewriteOf(rule)
    return asked === undefined ? [] : [{ ...asked, holder: `container ${rule.comment}`, command }]
  })
}

function heldInIptables(nft: Nftables, family: Family, wanted: ReadonlySet<number>): Held[] {
  return nft.rules(iptablesChain(family)).flatMap((jump) => {
    const chain = targetOf(jump)
    if (chain === undefined || !multiportOf(jump).some((port) => wanted.has(port))) return []
    const comment = matchComment(jump)
    const holder = comment.startsWith('dnat ') ? comment.slice(5) : comment
    const command = `${family === 4 ? 'iptables' : 'ip6tables'} -t nat -S | grep ${chain}`
    return nft.rules({ ...iptablesChain(family), chain }).flatMap((rule) => {
      const asked = rewriteOf(rule)
      return asked === undefined ? [] : [{ ...asked, holder, command }]
    })
  })
}
