/** The end of host ports: what an attachment has in the table, and nothing of others. */

import type { Nftables } from '../netlink/nftables/nftables.js'
import { isTableRemoval } from '../netlink/nftables/table.js'
import { type Entry, entryKey, findEntries, scanEntries } from './entries.js'
import { isNeeded, removing } from './host-ports.js'
import {
  chainSet,
  type Exposed,
  exposedEntries,
  GUARDED,
  guardEntry,
  HOST_PORTS,
  KINDS,
  mapsOf,
  ownGuardedLink,
  portSet,
} from './host-ports-table.js'
import { parseTag, type Tag } from './owner.js'
import { settle } from './settle.js'

export interface UnexposeOptions {
  /** Called when the whole table is about to be removed; what it returns, after that was tried. */
  readonly beforeTableGoes: () => () => void
  /**
   * Called when other attachments of the container wait for the ports: it gives them to one of those. Called again until
   * it changes nothing.
   */
  readonly handOver: (from: Tag) => void
}

/** Ends all mappings of the attachment of this key, and only those. Without `exposed` everything is searched. */
export function unexposePorts(
  nft: Nftables,
  key: string,
  exposed: Exposed | undefined,
  { beforeTableGoes, handOver }: UnexposeOptions,
): void {
  let isIntact = true
  settle('end port mappings', () => {
    const generation = nft.generation()
    const intact = isIntact && exposed !== undefined ? intactEntries(nft, key, exposed) : undefined
    isIntact = false // should the kernel miss one of them after all
    const doomed = intact ?? entriesOf(nft, key, exposed)
    if (doomed.length === 0 && exposed === undefined) return true
    const inherited = inheritedFrom(doomed)
    if (inherited !== undefined) {
      handOver(inherited)
      // An attachment that came meanwhile found the ports held, and waits for them too.
      if (nft.generation() !== generation) return false
    }
    const requests = removing(nft, doomed)
    if (requests.length === 0) return true
    if (!requests.some(isTableRemoval)) return nft.commit(requests, generation)
    const after = beforeTableGoes()
    try {
      return nft.commit(requests, generation)
    } finally {
      after()
    }
  })
}

/** Whose the entries are, where an heir waits for them. */
function inheritedFrom(doomed: readonly Entry[]): Tag | undefined {
  return doomed.map(({ element }) => parseTag(element.comment ?? '')).find(({ hasHeir }) => hasHeir)
}

/**
 * All entries of an attachment, known from those that others hang on: each of its ports and addresses is its own still.
 * Undefined where one is not, or where others may need the claims too.
 */
function intactEntries(nft: Nftables, key: string, exposed: Exposed): Entry[] | undefined {
  const isSimple = exposed.families.every(
    ({ mappings, conditions }) => conditions === undefined && mappings.every((one) => one.hostAddress === undefined),
  )
  if (!isSimple || ownGuardedLink(exposed) !== undefined) return undefined
  const decisive = (['any', 'pods'] as const).flatMap((set) => [portSet(set, 4), portSet(set, 6)])
  const [asked, others] = [true, false].map((is) =>
    exposedEntries(exposed).filter(({ set }) => decisive.includes(set) === is),
  ) as [Entry[], Entry[]]
  const found = findEntries(nft, HOST_PORTS, asked)
  const isWhole = found.length === asked.length && found.every((entry) => isOf(entry, key))
  return isWhole ? [...found, ...others] : undefined
}

function isOf({ element }: Entry, key: string): boolean {
  return parseTag(element.comment ?? '').key === key
}

/** Whatever there is of an attachment. */
function entriesOf(nft: Nftables, key: string, exposed: Exposed | undefined): Entry[] {
  const candidates =
    exposed === undefined
      ? scanEntries(nft, HOST_PORTS, (tag) => tag.key === key)
      : findEntries(nft, HOST_PORTS, exposedEntries(exposed))
  const guards = exposed === undefined ? [] : ownGuard(nft, exposed)
  const gates = exposed === undefined ? searchBehindGates(nft, key, candidates) : []
  const doomed = new Map(guards.map((entry) => [entryKey(entry), entry]))
  for (const entry of [...candidates, ...gates]) {
    if (entry.set !== GUARDED && isOf(entry, key)) doomed.set(entryKey(entry), entry)
  }
  for (const claim of sharedClaims(nft, doomed)) {
    if (isNeeded(nft, claim, doomed)) doomed.delete(entryKey(claim))
    else doomed.set(entryKey(claim), claim)
  }
  return [...doomed.values()]
}

/** The guard of an interface that nobody else is behind. */
function ownGuard(nft: Nftables, exposed: Exposed): Entry[] {
  const link = ownGuardedLink(exposed)
  return link === undefined ? [] : findEntries(nft, HOST_PORTS, [guardEntry(link, exposed.owner)])
}

/** The claims of ports that an attachment has on single addresses: others may need them, whoever made them. */
function sharedClaims(nft: Nftables, doomed: ReadonlyMap<string, Entry>): Entry[] {
  const claims = ([4, 6] as const).flatMap((family) => {
    const specific = mapsOf('specific', family)
    return [...doomed.values()]
      .filter(({ set }) => specific.includes(set))
      .map(({ element }) => ({ set: portSet('claimed', family), element: { key: element.key.slice(-8) } }))
  })
  return findEntries(nft, HOST_PORTS, claims)
}

/** Conditions keep their mappings in sets of their own, which no list of ours names. */
function searchBehindGates(nft: Nftables, key: string, candidates: readonly Entry[]): Entry[] {
  const chains = new Set<string>()
  for (const { element } of candidates) {
    if (element.verdict?.kind === 'jump') chains.add(element.verdict.chain)
  }
  return [...chains].flatMap((chain) =>
    KINDS.flatMap((kind) => {
      const set = chainSet(chain, kind)
      return nft
        .elements({ ...HOST_PORTS.name, set })
        .filter(({ comment = '' }) => parseTag(comment).key === key)
        .map((element) => ({ set, element }))
    }),
  )
}
