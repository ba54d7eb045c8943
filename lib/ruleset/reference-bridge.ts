/**
 * What the reference's bridge and ptp left for a container: rules of `inet cni_plugins_masquerade`, iptables-nft chains
 * `CNI-<hash>`, and rules of `bridge nat` for macspoofchk. Removed by netlink; nothing else of those tables is touched.
 */

import type { Request } from '../netlink/message.js'
import { deleteChain } from '../netlink/nftables/chain.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { deleteRule, type Rule } from '../netlink/nftables/rule.js'
import { sha512Hex } from '../sys/text.js'
import type { Owner } from './owner.js'
import { rulesLeadingTo } from './reference-iptables.js'
import { settle } from './settle.js'

type Whose = Pick<Owner, 'network' | 'containerId' | 'ifName'>

export function removeReferenceMasquerade(nft: Nftables, { network, containerId, ifName }: Whose): void {
  const prefix = `${sha512Hex(network).slice(0, 16)}-${sha512Hex(`${ifName}:${containerId}`).slice(0, 16)}`
  removeRules(nft, { family: 'inet', table: 'cni_plugins_masquerade', chain: 'masq_checks' }, ({ comment }) =>
    comment.startsWith(prefix),
  )
  const chain = `CNI-${sha512Hex(network + containerId).slice(0, 24)}`
  for (const family of ['ip', 'ip6'] as const) removeIptablesChain(nft, family, chain, ['POSTROUTING'])
}

/** A chain of iptables-nft's nat table with the rules of `from` that lead to it. */
export function removeIptablesChain(nft: Nftables, family: 'ip' | 'ip6', chain: string, from: readonly string[]): void {
  const table = { family, table: 'nat' } as const
  settle(`remove chain ${chain}`, () => {
    const generation = nft.generation()
    if (nft.chain({ ...table, chain }) === undefined) return true
    const requests: Request[] = from.flatMap((name) =>
      rulesLeadingTo(nft.rules({ ...table, chain: name }), chain).map(({ handle }) =>
        deleteRule({ ...table, chain: name }, handle),
      ),
    )
    return nft.commit([...requests, deleteRule({ ...table, chain }), deleteChain({ ...table, chain })], generation)
  })
}

export function removeRules(
  nft: Nftables,
  chain: Parameters<Nftables['rules']>[0],
  wanted: (rule: Rule) => boolean,
): void {
  settle(`clean chain ${chain.chain}`, () => {
    const generation = nft.generation()
    const doomed = nft.rules(chain).filter(wanted)
    if (doomed.length === 0) return true
    return nft.commit(
      doomed.map(({ handle }) => deleteRule(chain, handle)),
      generation,
    )
  })
}

/** macspoofchk: a jump in PREROUTING, and two chains named after the container. */
export function removeReferenceMacs(nft: Nftables, { containerId, ifName }: Whose): void {
  const id = `${containerId}-${ifName}`
  const table = { family: 'bridge', table: 'nat' } as const
  settle('clean bridge nat', () => {
    const generation = nft.generation()
    const entry = { ...table, chain: 'PREROUTING' }
    const jumps = nft.rules(entry).filter(({ comment }) => comment === `macspoofchk-${id}`)
    const chains = [`cni-br-iface-${id}`, `cni-br-iface-${id}-mac`].filter(
      (chain) => nft.chain({ ...table, chain }) !== undefined,
    )
    if (jumps.length === 0 && chains.length === 0) return true
    return nft.commit(
      [
        ...jumps.map(({ handle }) => deleteRule(entry, handle)),
        ...chains.map((chain) => deleteRule({ ...table, chain })),
        ...chains.map((chain) => deleteChain({ ...table, chain })),
      ],
      generation,
    )
  })
}
