/** Masquerading: what pods send to the outside leaves under the node's address. */

import type { IpAddress } from '../ip/address.js'
import { formatAddress } from '../ip/address.js'
import type { Prefix } from '../ip/prefix.js'
import type { Request } from '../netlink/message.js'
import { addElements, deleteElements, type Element } from '../netlink/nftables/element.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { isErrno } from '../sys/errno.js'
import { addEntries, type Entry, findEntries, removal, scanEntries } from './entries.js'
import { intervals } from './intervals.js'
import { chainDamage, leadingEntries, strayEntries } from './leading.js'
import {
  buildNetwork,
  chainName,
  MASQUERADE,
  type Masqueraded,
  NETWORKS,
  nodesSet,
  podEntries,
  podEntry,
  removeNetwork,
} from './masquerade-table.js'
import { networkTag, ownerKey, parseTag } from './owner.js'
import { rebuild } from './rebuild.js'
import { settle } from './settle.js'
import { damage, isWhole } from './skeleton.js'

const FAMILIES = [4, 6] as const

export interface MasqueradeOptions {
  /** Attachments that must be there too where the table has to be made anew. */
  readonly others?: () => readonly Masqueraded[]
  /** What goes into a network's sets of nodes where they have to be made. */
  readonly excluded?: (network: string) => readonly Prefix[]
}

/**
 * Masquerades an attachment's addresses; an address that another container had before is taken from it.
 * Where the table is missing, flushed or of another version it is made anew.
 */
export function masquerade(nft: Nftables, wanted: Masqueraded, options: MasqueradeOptions = {}): void {
  const { others = () => [], excluded = () => [] } = options
  const entries = podEntries(wanted)
  settle('masquerade', () => {
    const generation = nft.generation()
    if (!isWhole(nft, MASQUERADE)) return renew(nft, generation, [...others(), wanted], excluded)
    try {
      return nft.commit(addEntries(MASQUERADE, entries))
    } catch (error) {
      if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
    }
    const chain = chainName(wanted)
    const isNew = nft.chain({ ...MASQUERADE.name, chain }) === undefined
    const present = findEntries(
      nft,
      MASQUERADE,
      wanted.addresses.map(({ address }) => podEntry(address)),
    )
    return commitRemoval((nodes) => {
      const requests = [
        ...removing(nft, present, { keep: [chain], keepTable: true, nodes }),
        ...(isNew ? [...buildNetwork(wanted), ...fillNodes(wanted.owner.network, excluded)] : []),
        ...addEntries(MASQUERADE, entries),
      ]
      return nft.commit(requests, generation)
    })
  })
}

function renew(
  nft: Nftables,
  generation: number,
  all: readonly Masqueraded[],
  excluded: NonNullable<MasqueradeOptions['excluded']>,
): boolean {
  const chains = new Map(all.map((one) => [chainName(one), one]))
  const networks = new Set(all.map(({ owner }) => owner.network))
  const extras = [
    ...[...chains.values()].flatMap(buildNetwork),
    ...[...networks].flatMap((network) => fillNodes(network, excluded)),
  ]
  return rebuild(nft, MASQUERADE, generation, extras, all.flatMap(podEntries))
}

/** Where nobody knows of nodes, the sets stay as they are. */
function fillNodes(network: string, excluded: NonNullable<MasqueradeOptions['excluded']>): Request[] {
  const prefixes = excluded(network)
  return prefixes.length === 0 ? [] : replaceNodes(network, prefixes)
}

/** Empties a network's sets of nodes and fills them. */
function replaceNodes(network: string, prefixes: readonly Prefix[]): Request[] {
  const requests: Request[] = []
  for (const family of FAMILIES) {
    const name = { ...MASQUERADE.name, set: nodesSet(network, family) }
    requests.push(deleteElements(name, []))
    const elements = intervals(prefixes.filter(({ address }) => address.family === family))
    // A range's two ends stay in one message.
    for (let at = 0; at < elements.length; at += 500) requests.push(addElements(name, elements.slice(at, at + 500)))
  }
  return requests
}

/**
 * Ends it for the attachment of this key, and only for that: what another container has by now stays. Without
 * `addresses` all are searched.
 */
export function unmasquerade(nft: Nftables, key: string, addresses?: readonly IpAddress[]): void {
  let isIntact = true
  settle('end masquerading', () => {
    const generation = nft.generation()
    const intact = isIntact
    isIntact = false // should the kernel miss an address in its set after all
    const asked = addresses?.map(podEntry) ?? []
    const candidates =
      addresses === undefined
        ? scanEntries(nft, MASQUERADE, (tag) => tag.key === key)
        : findEntries(nft, MASQUERADE, asked)
    const doomed = candidates.filter(({ element }) => parseTag(element.comment ?? '').key === key)
    if (doomed.length === 0 && addresses === undefined) return true
    const strays = strayEntries(nft, MASQUERADE, asked, candidates)
    return commitRemoval((nodes) => {
      const requests = removing(nft, [...doomed, ...strays], { nodes, intact })
      return requests.length === 0 || nft.commit(requests, generation)
    })
  })
}

interface RemovingOptions {
  readonly keep?: readonly string[]
  readonly keepTable?: boolean
  /** With the networks' sets of nodes. */
  readonly nodes: boolean
  /** What comes with the entries is there, and not asked for. */
  readonly intact?: boolean
}

function removing(
  nft: Nftables,
  doomed: readonly Entry[],
  { nodes, intact = false, ...options }: RemovingOptions,
): Request[] {
  const leading = leadingEntries(doomed)
  return removal(nft, MASQUERADE, [...doomed, ...(intact ? leading : findEntries(nft, MASQUERADE, leading))], {
    ...options,
    companions: (chain) => removeNetwork(nft, chain, { nodes }),
  })
}

/** A network's sets of nodes stay while another chain of the network uses them. */
function commitRemoval(commit: (nodes: boolean) => boolean): boolean {
  try {
    return commit(true)
  } catch (error) {
    if (!isErrno(error, 'EBUSY')) throw error
  }
  return commit(false)
}

/** What CHECK finds amiss, as words; `[]` is well. */
export function checkMasquerade(nft: Nftables, wanted: Masqueraded): string[] {
  const found = damage(nft, MASQUERADE)
  if (found.length > 0 && nft.table(MASQUERADE.name) === undefined) return found
  const key = ownerKey(wanted.owner)
  for (const { address } of wanted.addresses) {
    const owned = findEntries(nft, MASQUERADE, [podEntry(address)])
    const tag = owned[0] && parseTag(owned[0].element.comment ?? '')
    if (tag === undefined) found.push(`${formatAddress(address)} is not masqueraded`)
    else if (tag.key !== key) found.push(`${formatAddress(address)} is masqueraded for another container`)
    else if (findEntries(nft, MASQUERADE, leadingEntries(owned)).length === 0) {
      found.push(`${formatAddress(address)} does not lead to the chain of its network`)
    }
  }
  found.push(...chainDamage(nft, NETWORKS, chainName(wanted)))
  return found
}

/** Keys of the network's attachments in the table that are not kept: for GC. */
export function staleMasquerades(nft: Nftables, network: string, keep: ReadonlySet<string>): string[] {
  const tag = networkTag(network)
  const stale = scanEntries(nft, MASQUERADE, (found) => found.network === tag && !keep.has(found.key))
  return [...new Set(stale.map(({ element }) => parseTag(element.comment ?? '').key))]
}

/**
 * What `excludeNodes` last filled, for the stamp of who fills it: other text means that it is empty again.
 * Undefined where the network is not masqueraded.
 */
export function nodesStamp(nft: Nftables, network: string): string | undefined {
  const table = nft.table(MASQUERADE.name)
  const set = table && nft.setHandle({ ...MASQUERADE.name, set: nodesSet(network, 4) })
  return set === undefined ? undefined : `${table?.handle}.${set}`
}

/**
 * Other nodes' addresses and pod ranges, which pods of the network reach under their own addresses, in the place of
 * what was there. The stamp is undefined where the network is not masqueraded: then there is nothing to exclude.
 */
export function excludeNodes(
  nft: Nftables,
  network: string,
  prefixes: readonly Prefix[],
): { readonly stamp: string | undefined; readonly changed: boolean } {
  let stamp: string | undefined
  let changed = false
  settle('exclude nodes from masquerading', () => {
    const generation = nft.generation()
    stamp = nodesStamp(nft, network)
    changed = stamp !== undefined && nodesDifference(nft, network, prefixes).length > 0
    return !changed || nft.commit(replaceNodes(network, prefixes), generation)
  })
  return { stamp, changed }
}

/** What CHECK finds amiss in a network's sets of nodes; `[]` where it is not masqueraded. */
export function wrongExclusion(nft: Nftables, network: string, prefixes: readonly Prefix[]): string[] {
  return nodesStamp(nft, network) === undefined ? [] : nodesDifference(nft, network, prefixes)
}

function nodesDifference(nft: Nftables, network: string, prefixes: readonly Prefix[]): string[] {
  return FAMILIES.flatMap((family) => {
    const set = nodesSet(network, family)
    const text = ({ key, end }: Element) => `${key.join('.')} ${end === true}`
    const wanted = new Set(intervals(prefixes.filter(({ address }) => address.family === family)).map(text))
    const present = new Set(nft.elements({ ...MASQUERADE.name, set }).map(text))
    const [less, more] = [
      [...wanted].filter((one) => !present.has(one)).length,
      [...present].filter((one) => !wanted.has(one)).length,
    ]
    const { family: inet, table } = MASQUERADE.name
    return less + more === 0
      ? []
      : [`set ${inet} ${table} ${set} is not the table of nodes (${less} ends of ranges are missing, ${more} stale)`]
  })
}
