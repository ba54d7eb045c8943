/** DEL: what the record says was made is removed, then the record. */

import { messageOf } from '../cni/error.js'
import { type Claim, claim, hasRecord, type RecordPlace } from '../store/record.js'
import { isErrno } from '../sys/errno.js'
import { warn } from '../sys/log.js'

/**
 * Whether an ADD has begun since DEL found no record. It holds its record, so what it makes may come behind what DEL has
 * removed already.
 */
export type AddHasBegun = () => boolean

/**
 * Calls `remove` with the content of the record, or with undefined where there is none; then the record goes. Where
 * `remove` throws, the record stays for the next DEL.
 */
export function removeAttachment<T>(
  place: RecordPlace,
  remove: (recorded: T | undefined, addHasBegun: AddHasBegun) => void,
): void {
  let claimed: Claim<T> | undefined
  try {
    claimed = claim<T>(place)
  } catch (error) {
    // The rest can be done without it.
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ELOOP', 'ENAMETOOLONG')) throw error
    warn(`going on without the record of the attachment: ${messageOf(error)}`)
    remove(undefined, never)
    return
  }
  if (claimed !== undefined) {
    removeClaimed(claimed, remove)
    return
  }
  let begun = false
  remove(undefined, () => {
    begun = hasRecord(place)
    return begun
  })
  // An ADD that began after we had looked may have lost a part of its work to us: it is undone as a whole.
  const later = claim<T>(place)
  if (later !== undefined) removeClaimed(later, remove)
  else if (begun) remove(undefined, never) // it has failed and undone itself
}

const never: AddHasBegun = () => false

/** For a record that is claimed already. */
export function removeClaimed<T>(
  claimed: Claim<T>,
  remove: (recorded: T | undefined, addHasBegun: AddHasBegun) => void,
): void {
  try {
    claimed.beginRemoval()
    remove(claimed.earlier?.content, never)
  } catch (error) {
    claimed.release()
    throw error
  }
  claimed.remove()
}
