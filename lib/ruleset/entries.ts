/** Elements with the sets they belong to: how attachments are added to a table, found in it, and taken out. */

import type { Request } from '../netlink/message.js'
import type { Chain } from '../netlink/nftables/chain.js'
import { deleteChain } from '../netlink/nftables/chain.js'
import { addElements, deleteElements, type Element } from '../netlink/nftables/element.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { addTable, deleteTable } from '../netlink/nftables/table.js'
import { parseTag } from './owner.js'
import { objectsIn, type Skeleton } from './skeleton.js'

export interface Entry {
  readonly set: string
  readonly element: Element
  /** An equal one of someone else is as good. */
  readonly shared?: boolean
}

/** An attribute holds 64 KiB, and an element here at most some 250 bytes. */
const ELEMENTS_A_MESSAGE = 200

/** What tells entries of a table apart. */
export function entryKey({ set, element }: Entry): string {
  return `${set} ${element.key.join('.')}`
}

/** Whoever adds to a table also wakes it: where another program has made it dormant, its rules see no packet. */
export function addEntries({ name }: Skeleton, entries: readonly Entry[]): Request[] {
  const additions = inGroups(entries).map(([{ set, shared = false }, elements]) =>
    addElements({ ...name, set }, elements, { shared }),
  )
  return [addTable(name, undefined, { shared: true }), ...additions]
}

export function deleteEntries({ name }: Skeleton, entries: readonly Entry[]): Request[] {
  return inGroups(entries).map(([{ set }, elements]) => deleteElements({ ...name, set }, elements))
}

function inGroups(entries: readonly Entry[]): [Entry, Element[]][] {
  const groups = new Map<string, [Entry, Element[]]>()
  for (const entry of entries) {
    for (let part = 0; ; part++) {
      const key = `${entry.set} ${entry.shared === true} ${part}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [entry, [entry.element]])
      else if (group[1].length < ELEMENTS_A_MESSAGE) group[1].push(entry.element)
      else continue
      break
    }
  }
  return [...groups.values()]
}

/** What the kernel has under the entries' keys, whosever it is. */
export function findEntries(nft: Nftables, { name }: Skeleton, entries: readonly Entry[]): Entry[] {
  const found: Entry[] = []
  for (const { set, element } of entries) {
    const present = nft.element({ ...name, set }, element.key)
    if (present !== undefined) found.push({ set, element: present })
  }
  return found
}

/** All of a table's tagged elements that `wanted` says yes to. A dump: never on the way of ADD. */
export function scanEntries(
  nft: Nftables,
  { name, sets }: Skeleton,
  wanted: (tag: ReturnType<typeof parseTag>) => boolean,
): Entry[] {
  return Object.keys(sets).flatMap((set) =>
    nft
      .elements({ ...name, set })
      .filter(({ comment = '' }) => comment !== '' && wanted(parseTag(comment)))
      .map((element) => ({ set, element })),
  )
}

/** What exists for a chain's sake alone, as the requests that remove it. */
export interface Companions {
  /** What refers to the chain. */
  readonly before?: readonly Request[]
  /** What the chain refers to. */
  readonly after?: readonly Request[]
  /** How many chains and sets are among them. */
  readonly objects: number
}

export interface RemovalOptions {
  readonly companions?: (chain: Chain) => Companions
  /** Chains that stay though no element leads to them any more. */
  readonly keep?: readonly string[]
  /** Never the whole table. */
  readonly keepTable?: boolean
}

/** With more references than this, a chain surely has others. */
const FEW = 4

/**
 * How many elements besides the doomed ones lead to a chain. The kernel's count of its uses tells at once that there are
 * many. Of few it does not tell, as rules of the chain count too, and other programs add and flush rules: then all
 * elements are listed.
 */
function othersLeadingTo(
  nft: Nftables,
  { name, sets, setsOf }: Skeleton,
  doomed: readonly Entry[],
): (chain: Chain, references: number) => number {
  const going = new Set(doomed.map(entryKey))
  let listed: Map<string, number> | undefined
  const list = () => {
    const found = new Map<string, number>()
    for (const set of Object.keys(sets).filter((one) => sets[one]?.value === 'verdict')) {
      for (const element of nft.elements({ ...name, set })) {
        const to = element.verdict
        if (to === undefined || !('chain' in to) || going.has(entryKey({ set, element }))) continue
        found.set(to.chain, (found.get(to.chain) ?? 0) + 1)
      }
    }
    return found
  }
  const unlisted = (chain: string): number =>
    setsOf(chain).flatMap((set) =>
      nft.elements({ ...name, set }).filter((element) => !going.has(entryKey({ set, element }))),
    ).length
  return (chain, references) => {
    const unreferred = Number(chain.comment.split(' ')[0])
    const others = chain.use - references - unreferred
    if (others > FEW) return others
    listed ??= list()
    return listed.get(chain.name) ?? unlisted(chain.name)
  }
}

/**
 * Whether nobody is left in a table. For a removal of elements that lead nowhere: another program has emptied the maps,
 * so that the last attachment's do not say which chains are its own.
 */
function isDeserted(
  nft: Nftables,
  { name, chains }: Skeleton,
  othersOf: (chain: Chain, references: number) => number,
): boolean {
  const table = nft.table(name)
  // One that another program made, or keeps for itself, has the name alone.
  if (table === undefined || table.owner !== undefined || !table.comment.startsWith('flatnet ')) return false
  return nft
    .chains(name.family)
    .filter((chain) => chain.table === name.table)
    .every((chain) => {
      // Only a chain that elements lead to says how many references it has without any; an administrator's says nothing.
      const isLedTo = Number.parseInt(chain.comment, 10) >= 0
      return isLedTo ? othersOf(chain, 0) === 0 : chains[chain.name] !== undefined
    })
}

/**
 * The requests that take out elements the kernel has, with the chains that nothing leads to afterwards; of the last
 * ones, the whole table. To be committed with the generation that all of this was read in.
 */
export function removal(
  nft: Nftables,
  skeleton: Skeleton,
  doomed: readonly Entry[],
  { companions = () => ({ objects: 0 }), keep, keepTable = false }: RemovalOptions = {},
): Request[] {
  if (doomed.length === 0 && keepTable) return []
  const { name } = skeleton
  const references = new Map<string, number>()
  for (const { element } of doomed) {
    const to = element.verdict
    if (to === undefined || !('chain' in to)) continue
    references.set(to.chain, (references.get(to.chain) ?? 0) + 1)
  }
  const othersOf = othersLeadingTo(nft, skeleton, doomed)
  if (references.size === 0 && !keepTable) {
    return isDeserted(nft, skeleton, othersOf) ? [deleteTable(name)] : deleteEntries(skeleton, doomed)
  }
  const orphans: Chain[] = []
  let last = !keepTable
  for (const chainName of new Set([...references.keys(), ...skeleton.counted])) {
    // The other chains are only asked about when ours turned out to be the last of its own.
    if (!last && !references.has(chainName)) continue
    const chain = nft.chain({ ...name, chain: chainName })
    if (chain === undefined) continue
    if (othersOf(chain, references.get(chainName) ?? 0) > 0) last = false
    else if (!skeleton.counted.includes(chainName) && keep?.includes(chainName) !== true) orphans.push(chain)
  }
  const extras = orphans.map((chain) => ({ chain, ...companions(chain) }))
  if (last) {
    const table = nft.table(name)
    const ours = extras.reduce((n, { objects }) => n + 1 + objects, 0)
    if (table !== undefined && table.use === objectsIn(skeleton, table) + ours) return [deleteTable(name)]
  }
  return [
    ...deleteEntries(skeleton, doomed),
    ...extras.flatMap(({ chain, before = [], after = [] }) => [
      ...before,
      deleteChain({ ...name, chain: chain.name }),
      ...after,
    ]),
  ]
}
