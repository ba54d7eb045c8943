/**
 * `inet flatnet-masq`: whose packets leave under the node's address. A pod's address leads to its network's chain,
 * which lets pass untouched what goes to the network itself, to other nodes and their pods, and to groups or neighbours on
 * the pod's own link: those frames are bridged, and come here where br_netfilter shows them to iptables.
 *
 *   map pods4 { 10.1.2.3 comment "<attachment>" : goto net-1a2b… }     whose it is; no rule looks here
 *   set net-1a2b…-4 { 10.1.2.3 }                                       the addresses that lead to the chain
 *   set nodes4-<network> { <filled by host-gw and vxlan> }
 */

import { formatAddress, type IpAddress } from '../ip/address.js'
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../ip/prefix.js'
import type { Request } from '../netlink/message.js'
import { addChain, type Chain } from '../netlink/nftables/chain.js'
import { type Expression, immediate, lookup, masquerade, nat, verdict } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { addRule } from '../netlink/nftables/rule.js'
import { addSet, deleteSet } from '../netlink/nftables/set.js'
import { sha256Hex } from '../sys/text.js'
import type { Companions, Entry } from './entries.js'
import { LEADING_RULES, lead, leadingEntry, leadingSets, unlead } from './leading.js'
import { addressIn, isBroadcast, isFamily, loadAddress } from './match.js'
import { networkTag, type Owner, printable, tagOf } from './owner.js'
import type { Skeleton } from './skeleton.js'

export interface MasqueradeSettings {
  /** Prefixes that are reached under the pod's own address, besides its network's and what `nodes` sets hold. */
  readonly exclude: readonly Prefix[]
  /** Source ports at random, so that two connections never race for one; `false` keeps the pod's port where it can. */
  readonly fullyRandom: boolean
  /** The source address instead of the outgoing interface's, at most one a family. */
  readonly to: readonly IpAddress[]
}

export interface Masqueraded {
  readonly owner: Owner
  /** The pod's addresses with their networks' prefix lengths. */
  readonly addresses: readonly Prefix[]
  readonly settings: MasqueradeSettings
}

const PODS = { 4: 'pods4', 6: 'pods6' } as const
const TABLE = { family: 'inet', table: 'flatnet-masq' } as const
/** Where the rules are that lead to networks' chains. */
export const NETWORKS = { ...TABLE, chain: 'networks' }
/** Multicast, and what IPv6 never routes. 169.254/16 is no such: clouds answer at 169.254.169.254, behind the node. */
const ON_LINK = ['224.0.0.0/4', 'ff00::/8', 'fe80::/10']
const FAMILIES = [4, 6] as const
const ADDRESS = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const

export const MASQUERADE: Skeleton = {
  name: TABLE,
  version: 3,
  witness: 'postrouting',
  sets: {
    pods4: { key: ['ipv4_addr'], value: 'verdict' },
    pods6: { key: ['ipv6_addr'], value: 'verdict' },
  },
  chains: {
    postrouting: {
      base: { kind: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' },
      rules: [[verdict({ kind: 'jump', chain: NETWORKS.chain })]],
    },
    [NETWORKS.chain]: { rules: [], grows: true },
  },
  counted: [],
  setsOf: leadingSets,
}

/** The entry of an address, whosever it is. */
export function podEntry(address: IpAddress): Entry {
  return { set: PODS[address.family], element: { key: address.bytes } }
}

export function podEntries(wanted: Masqueraded): Entry[] {
  const chain = chainName(wanted)
  const comment = tagOf(wanted.owner)
  return wanted.addresses.flatMap(({ address }): Entry[] => [
    {
      set: PODS[address.family],
      element: { key: address.bytes, verdict: { kind: 'goto', chain }, comment },
    },
    leadingEntry(chain, address.bytes),
  ])
}

/** Chains are never changed: other settings, or a network of another range, are another chain. */
export function chainName({ owner, addresses, settings }: Masqueraded): string {
  const { exclude, fullyRandom, to } = settings
  const identity = [
    owner.network,
    fullyRandom,
    to.map(formatAddress).sort(),
    [...addresses, ...exclude].map(canonical).sort(),
  ]
  return `net-${sha256Hex(JSON.stringify(identity)).slice(0, 12)}`
}

function canonical(prefix: Prefix): string {
  return formatPrefix({ address: networkOf(prefix), length: prefix.length })
}

/** The set of other nodes' addresses and pod ranges, by network and family. */
export function nodesSet(network: string, family: 4 | 6): string {
  return `nodes${family}-${networkTag(network)}`
}

/** A network's chain and sets; EEXIST where the chain is there. */
export function buildNetwork(wanted: Masqueraded): Request[] {
  const { owner, addresses, settings } = wanted
  const { name } = MASQUERADE
  const chain = { ...name, chain: chainName(wanted) }
  const leave = verdict({ kind: 'return' })
  const rules: Expression[][] = []
  const skipped = new Map([...addresses, ...settings.exclude].map((prefix) => [canonical(prefix), prefix]))
  for (const prefix of skipped.values()) {
    rules.push([...isFamily(prefix.address.family), ...addressIn('destination', prefix), leave])
  }
  for (const family of FAMILIES) {
    rules.push([
      ...isFamily(family),
      loadAddress(family, 'destination'),
      lookup(nodesSet(owner.network, family)),
      leave,
    ])
  }
  for (const onLink of ON_LINK) {
    const prefix = parsePrefix(onLink) as Prefix
    rules.push([...isFamily(prefix.address.family), ...addressIn('destination', prefix), leave])
  }
  rules.push([...isBroadcast(), leave])
  const { fullyRandom } = settings
  for (const address of settings.to) {
    const { family } = address
    const source = nat('snat', { family, address: 0, fullyRandom })
    rules.push([...isFamily(family), immediate(address.bytes), source])
  }
  rules.push([masquerade({ fullyRandom })])
  const comment = printable(`${rules.length + LEADING_RULES} ${networkTag(owner.network)} ${owner.network}`)
  return [
    ...FAMILIES.map((family) =>
      addSet(
        { ...name, set: nodesSet(owner.network, family) },
        { key: [ADDRESS[family]], intervals: true },
        { shared: true },
      ),
    ),
    addChain(chain, { comment }),
    ...rules.map((rule) => addRule(chain, rule)),
    ...lead(NETWORKS, 'source', chain.chain),
  ]
}

/** What else goes with a network's chain; its sets of nodes only with the last chain of the network. */
export function removeNetwork(
  nft: Nftables,
  { name: chain, comment }: Chain,
  { nodes }: { nodes: boolean },
): Companions {
  const { before, after, objects } = unlead(nft, NETWORKS, chain)
  const tag = comment.split(' ')[1] ?? ''
  const sets = nodes ? FAMILIES.map((family) => `nodes${family}-${tag}`) : []
  return {
    before,
    after: [...after, ...sets.map((set) => deleteSet({ ...MASQUERADE.name, set }))],
    objects: objects + sets.length,
  }
}
