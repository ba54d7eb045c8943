/**
 * `inet flatnet-firewall`: who may reach a container (ingressPolicy). Between bridges under a policy nothing passes;
 * `isolated` also keeps the containers of one bridge apart.
 *
 *   map pods4            { 10.1.2.3 comment "<attachment>" : goto isolated-1a2b… }     whose it is; no rule looks here
 *   set isolated-1a2b…-4 { 10.1.2.3 }                                                  what leads to the chain
 *   set policed          { "cni0", "cni1" }
 */

import type { IpAddress } from '../ip/address.js'
import type { Request } from '../netlink/message.js'
import { addChain } from '../netlink/nftables/chain.js'
import type { Element } from '../netlink/nftables/element.js'
import { deleteElements } from '../netlink/nftables/element.js'
import { verdict } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { addRule } from '../netlink/nftables/rule.js'
import { isErrno } from '../sys/errno.js'
import { sha256Hex } from '../sys/text.js'
import { addEntries, type Entry, findEntries, removal, scanEntries } from './entries.js'
import { nameBytes } from './key.js'
import {
  chainDamage,
  LEADING_RULES,
  lead,
  leadingEntries,
  leadingEntry,
  leadingSets,
  strayEntries,
  unlead,
} from './leading.js'
import { interfaceInSet, interfaceIs } from './match.js'
import { networkTag, type Owner, ownerKey, parseTag, tagOf } from './owner.js'
import { rebuild } from './rebuild.js'
import { settle } from './settle.js'
import { damage, isWhole, type Skeleton } from './skeleton.js'

export type Policy = 'same-bridge' | 'isolated'

export interface Policed {
  readonly owner: Owner
  readonly addresses: readonly IpAddress[]
  readonly bridge: string
  readonly policy: Policy
}

const PODS = { 4: 'pods4', 6: 'pods6' } as const

const TABLE = { family: 'inet', table: 'flatnet-firewall' } as const
/** Where the rules are that lead to bridges' chains. */
const BRIDGES = { ...TABLE, chain: 'bridges' }

export const INGRESS: Skeleton = {
  name: TABLE,
  version: 2,
  witness: 'forward',
  sets: {
    pods4: { key: ['ipv4_addr'], value: 'verdict' },
    pods6: { key: ['ipv6_addr'], value: 'verdict' },
    policed: { key: ['ifname'] },
  },
  chains: {
    forward: {
      base: { kind: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
      rules: [[verdict({ kind: 'jump', chain: BRIDGES.chain })]],
    },
    [BRIDGES.chain]: { rules: [], grows: true },
  },
  counted: [],
  setsOf: leadingSets,
}

const POLICIES: readonly Policy[] = ['same-bridge', 'isolated']

function chainName(bridge: string, policy: Policy): string {
  return `${policy}-${sha256Hex(bridge).slice(0, 12)}`
}

function entriesOf({ owner, addresses, bridge, policy }: Policed): Entry[] {
  const comment = tagOf(owner)
  const chain = chainName(bridge, policy)
  return [
    ...addresses.flatMap(({ family, bytes }): Entry[] => [
      { set: PODS[family], element: { key: bytes, verdict: { kind: 'goto', chain }, comment } },
      leadingEntry(chain, bytes),
    ]),
    { set: 'policed', element: { key: nameBytes(bridge) }, shared: true },
  ]
}

/** Whose the addresses are. */
function podEntries(addresses: readonly IpAddress[]): Entry[] {
  return addresses.map(({ family, bytes }) => ({ set: PODS[family], element: { key: bytes } }))
}

function buildChain({ bridge, policy }: Policed): Request[] {
  const chain = { ...INGRESS.name, chain: chainName(bridge, policy) }
  const rules = [
    ...(policy === 'same-bridge'
      ? [[...interfaceIs('inInterface', { name: bridge }), verdict({ kind: 'return' })]]
      : []),
    [...interfaceInSet('inInterface', 'policed'), verdict({ kind: 'drop' })],
  ]
  return [
    addChain(chain, { comment: `${rules.length + LEADING_RULES} ${bridge}` }),
    ...rules.map((rule) => addRule(chain, rule)),
    ...lead(BRIDGES, 'destination', chain.chain),
  ]
}

/** Puts the attachment under its policy. `others` are there too where the table has to be made anew. */
export function police(nft: Nftables, wanted: Policed, others: () => readonly Policed[] = () => []): void {
  const entries = entriesOf(wanted)
  settle('apply the ingress policy', () => {
    const generation = nft.generation()
    if (!isWhole(nft, INGRESS)) {
      const all = [...others(), wanted]
      const chains = new Map(all.map((one) => [chainName(one.bridge, one.policy), one]))
      return rebuild(nft, INGRESS, generation, [...chains.values()].flatMap(buildChain), all.flatMap(entriesOf))
    }
    try {
      return nft.commit(addEntries(INGRESS, entries))
    } catch (error) {
      if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
    }
    const chain = chainName(wanted.bridge, wanted.policy)
    const isNew = nft.chain({ ...INGRESS.name, chain }) === undefined
    const present = findEntries(nft, INGRESS, podEntries(wanted.addresses))
    const requests = [
      ...removing(nft, present, { keep: [chain], keepTable: true }),
      ...(isNew ? buildChain(wanted) : []),
      ...addEntries(INGRESS, entries),
    ]
    return nft.commit(requests, generation)
  })
}

function removing(
  nft: Nftables,
  doomed: readonly Entry[],
  options: { keep?: readonly string[]; keepTable?: boolean } = {},
): Request[] {
  return removal(nft, INGRESS, [...doomed, ...findEntries(nft, INGRESS, leadingEntries(doomed))], {
    ...options,
    companions: ({ comment, name }) => {
      const bridge = comment.split(' ')[1] ?? ''
      const key = nameBytes(bridge)
      const other = POLICIES.map((policy) => chainName(bridge, policy)).find((one) => one !== name)
      const isShared = other !== undefined && nft.chain({ ...INGRESS.name, chain: other }) !== undefined
      const isThere = nft.element({ ...INGRESS.name, set: 'policed' }, key) !== undefined
      const { before, after, objects } = unlead(nft, BRIDGES, name)
      const unpoliced = isShared || !isThere ? [] : [deleteElements({ ...INGRESS.name, set: 'policed' }, [{ key }])]
      return { before, after: [...after, ...unpoliced], objects }
    },
  })
}

/** Ends it for the attachment of this key, and only for that. Without `addresses` all are searched. */
export function unpolice(nft: Nftables, key: string, addresses?: readonly IpAddress[]): void {
  settle('end the ingress policy', () => {
    const generation = nft.generation()
    const asked = addresses === undefined ? [] : podEntries(addresses)
    const candidates =
      addresses === undefined ? scanEntries(nft, INGRESS, (tag) => tag.key === key) : findEntries(nft, INGRESS, asked)
    const doomed = candidates.filter(({ element }) => parseTag(element.comment ?? '').key === key)
    if (doomed.length === 0 && addresses === undefined) return true
    const requests = removing(nft, [...doomed, ...strayEntries(nft, INGRESS, asked, candidates)])
    return requests.length === 0 || nft.commit(requests, generation)
  })
}

/** What CHECK finds amiss, as words; `[]` is well. */
export function checkPolicy(nft: Nftables, wanted: Policed): string[] {
  const found = damage(nft, INGRESS)
  if (nft.table(INGRESS.name) === undefined) return found
  const own = ownerKey(wanted.owner)
  const present = findEntries(nft, INGRESS, podEntries(wanted.addresses))
  const ours = present.filter(({ element }) => parseTag(element.comment ?? '').key === own)
  // The chain that ADD chose: a plugin behind it may have put its interfaces in front of the bridge in the result.
  for (const chain of new Set(ours.map(({ element }) => chainOf(element)))) {
    if (chain !== undefined) found.push(...chainDamage(nft, BRIDGES, chain))
  }
  const leading = findEntries(nft, INGRESS, leadingEntries(ours))
  if (Math.min(ours.length, leading.length) < wanted.addresses.length)
    found.push(`the container is not under ingressPolicy ${wanted.policy}`)
  return found
}

function chainOf({ verdict }: Element): string | undefined {
  return verdict?.kind === 'goto' || verdict?.kind === 'jump' ? verdict.chain : undefined
}

/** Keys of the network's attachments in the table that are not kept: for GC. */
export function stalePolicies(nft: Nftables, network: string, keep: ReadonlySet<string>): string[] {
  const tag = networkTag(network)
  const stale = scanEntries(nft, INGRESS, (found) => found.network === tag && !keep.has(found.key))
  return [...new Set(stale.map(({ element }) => parseTag(element.comment ?? '').key))]
}
