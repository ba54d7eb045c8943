/** A table made anew in one transaction, whatever was there under its name. */

import type { Request } from '../netlink/message.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { deleteTable } from '../netlink/nftables/table.js'
import { isErrno } from '../sys/errno.js'
import { addEntries, type Entry, entryKey } from './entries.js'
import { buildSkeleton, lacking, type Skeleton } from './skeleton.js'

/**
 * The skeleton, then `extras`, then `entries`: of several with one key the last one. False where the generation is past.
 * Throws code 105 where the kernel lacks what the skeleton is made of.
 */
export function rebuild(
  nft: Nftables,
  skeleton: Skeleton,
  generation: number,
  extras: readonly Request[],
  entries: readonly Entry[],
): boolean {
  const exists = nft.table(skeleton.name) !== undefined
  const unique = new Map<string, Entry>()
  for (const entry of entries) unique.set(entryKey(entry), entry)
  const requests = [
    ...(exists ? [deleteTable(skeleton.name)] : []),
    ...buildSkeleton(skeleton),
    ...extras,
    ...addEntries(skeleton, [...unique.values()]),
  ]
  try {
    return nft.commit(requests, generation)
  } catch (error) {
    // Nothing here refers to what this does not make itself, so only an expression or a hook can be missing.
    if (isErrno(error, 'ENOENT') && nft.generation() === generation) throw lacking(error)
    throw error
  }
}
