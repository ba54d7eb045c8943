/** GC of records: what belongs to no valid attachment is removed as DEL removes it. */

import type { AttachmentName } from '../cni/attachments.js'
import { attachmentKey, claim, type ListedRecord, listRecords, type RecordsPlace } from '../store/record.js'
import { unlink } from '../sys/file.js'
import type { Failures } from './failures.js'
import { removeClaimed } from './removal.js'

/** What GC knows of an attachment: of one whose record cannot be read, its key alone. */
export interface Collected {
  readonly key: string
  readonly containerId: string
  readonly ifName: string
}

/** Keys of the attachments that GC must keep. */
export function keysOf(network: string, valid: readonly AttachmentName[]): Set<string> {
  return new Set(valid.map(({ containerId, ifName }) => attachmentKey(network, containerId, ifName)))
}

/** Keys of the attachments that have a record. */
export function recordedKeys(place: RecordsPlace): Set<string> {
  return new Set(listRecords(place).map(({ key }) => key))
}

/** Calls `remove` for each record whose key is not in `keep`, with undefined where the record cannot be read. */
export function collectRecords<T>(
  place: RecordsPlace,
  keep: ReadonlySet<string>,
  failures: Failures,
  remove: (attachment: Collected, recorded: T | undefined) => void,
): void {
  for (const listed of listRecords<T>(place)) {
    if (keep.has(listed.key)) continue
    const what = listed.state === 'damaged' ? listed.path : `${listed.containerId}/${listed.ifName}`
    failures.attempt(`cannot remove ${what}`, () => collect(place, listed, remove))
  }
}

function collect<T>(
  place: RecordsPlace,
  listed: ListedRecord<T>,
  remove: (attachment: Collected, recorded: T | undefined) => void,
): void {
  if (listed.state === 'damaged') {
    remove(listed, undefined)
    unlink(listed.path)
    return
  }
  const { containerId, ifName } = listed
  const claimed = claim<T>({ ...place, containerId, ifName })
  if (claimed === undefined) return
  // An ADD that was running when we looked and has finished since is new, not stale.
  if (listed.state !== 'ready' && claimed.earlier?.state === 'ready') claimed.release()
  else removeClaimed(claimed, (recorded) => remove(listed, recorded))
}
