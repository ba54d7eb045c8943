/**
 * `bridge flatnet-mac`: a container's frames carry its own MAC or are dropped.
 *
 *   map owners  { "veth1a2b" comment "<attachment>" : goto checked }     whose it is; no rule looks here
 *   set guarded { "veth1a2b" }
 *   set allowed { "veth1a2b" . 0a:58:0a:01:02:03 }
 */

import { parseMac } from '../ip/mac.js'
import { lookup, meta, payload, verdict } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { isErrno } from '../sys/errno.js'
import { addEntries, type Entry, findEntries, removal, scanEntries } from './entries.js'
import { joined, nameBytes } from './key.js'
import { interfaceInSet } from './match.js'
import { networkTag, type Owner, ownerKey, parseTag, tagOf } from './owner.js'
import { rebuild } from './rebuild.js'
import { settle } from './settle.js'
import { damage, isWhole, type Skeleton } from './skeleton.js'

export interface GuardedMac {
  readonly owner: Owner
  /** The host's end of the pair: a port of the bridge. */
  readonly link: string
  /** The container's. */
  readonly mac: string
}

/** Offset and length of the source address in an Ethernet header. */
const SOURCE = [6, 6] as const

export const MAC_GUARD: Skeleton = {
  name: { family: 'bridge', table: 'flatnet-mac' },
  version: 2,
  witness: 'prerouting',
  sets: {
    owners: { key: ['ifname'], value: 'verdict' },
    guarded: { key: ['ifname'] },
    allowed: { key: ['ifname', 'ether_addr'] },
  },
  chains: {
    prerouting: {
      base: { kind: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
      rules: [[...interfaceInSet('inInterface', 'guarded'), verdict({ kind: 'goto', chain: 'checked' })]],
    },
    checked: {
      referred: 1,
      rules: [
        [meta('inInterface'), payload('link', ...SOURCE, 4), lookup('allowed'), verdict({ kind: 'return' })],
        [verdict({ kind: 'drop' })],
      ],
    },
  },
  counted: ['checked'],
  setsOf: () => ['allowed'],
}

function entriesOf({ owner, link, mac }: GuardedMac): Entry[] {
  const comment = tagOf(owner)
  const address = parseMac(mac) ?? new Uint8Array(6)
  return [
    { set: 'owners', element: { key: nameBytes(link), verdict: { kind: 'goto', chain: 'checked' }, comment } },
    { set: 'guarded', element: { key: nameBytes(link), comment } },
    { set: 'allowed', element: { key: joined(nameBytes(link), address), comment } },
  ]
}

/** Lets frames in by the link only from this MAC. `others` are there too where the table has to be made anew. */
export function guardMac(nft: Nftables, wanted: GuardedMac, others: () => readonly GuardedMac[] = () => []): void {
  const entries = entriesOf(wanted)
  settle('guard the MAC', () => {
    const generation = nft.generation()
    if (!isWhole(nft, MAC_GUARD)) {
      return rebuild(nft, MAC_GUARD, generation, [], [...others().flatMap(entriesOf), ...entries])
    }
    try {
      return nft.commit(addEntries(MAC_GUARD, entries))
    } catch (error) {
      if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
    }
    // Of a link that bore the name before.
    const stale = scanEntries(nft, MAC_GUARD, ({ link }) => link === wanted.link)
    const present = findEntries(nft, MAC_GUARD, entries)
    const doomed = new Map([...stale, ...present].map((entry) => [`${entry.set} ${entry.element.key}`, entry]))
    const requests = removal(nft, MAC_GUARD, [...doomed.values()], { keepTable: true })
    return nft.commit([...requests, ...addEntries(MAC_GUARD, entries)], generation)
  })
}

/** Ends it for the attachment of this key. Without `guarded` everything is searched. */
export function unguardMac(nft: Nftables, key: string, guarded?: GuardedMac): void {
  settle('end guarding the MAC', () => {
    const generation = nft.generation()
    const candidates =
      guarded === undefined
        ? scanEntries(nft, MAC_GUARD, (tag) => tag.key === key)
        : findEntries(nft, MAC_GUARD, entriesOf(guarded))
    const doomed = candidates.filter(({ element }) => parseTag(element.comment ?? '').key === key)
    if (doomed.length === 0 && guarded === undefined) return true
    const requests = removal(nft, MAC_GUARD, doomed)
    return requests.length === 0 || nft.commit(requests, generation)
  })
}

/** What CHECK finds amiss, as words; `[]` is well. */
export function checkMac(nft: Nftables, wanted: GuardedMac): string[] {
  const found = damage(nft, MAC_GUARD)
  const own = ownerKey(wanted.owner)
  const present = findEntries(nft, MAC_GUARD, entriesOf(wanted))
  if (present.filter(({ element }) => parseTag(element.comment ?? '').key === own).length < 3) {
    found.push(`frames of ${wanted.link} are not checked for MAC ${wanted.mac}`)
  }
  return found
}

/** Keys of the network's attachments in the table that are not kept: for GC. */
export function staleMacs(nft: Nftables, network: string, keep: ReadonlySet<string>): string[] {
  const tag = networkTag(network)
  const stale = scanEntries(nft, MAC_GUARD, (found) => found.network === tag && !keep.has(found.key))
  return [...new Set(stale.map(({ element }) => parseTag(element.comment ?? '').key))]
}
